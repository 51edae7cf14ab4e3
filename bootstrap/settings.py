"""What can be set, where it is read from, and what is wrong with it, all of it at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, Self, get_args

import attrs
from attrs import field

from bootstrap.keys import keys
from bootstrap.setting_rules import SCHEMES, ServerName, choice, folder, masked, url
from bootstrap.setting_sources import (
    FILE_VARIABLE,
    flat,
    from_file,
    from_variables,
    nested,
    variable,
)
from bootstrap.setting_sources import NOT_SETTINGS as NOT_SETTINGS
from bootstrap.setting_sources import PREFIX as PREFIX
from domain.errors import Fault, ValidationError
from domain.retention import Retention
from domain.rules import Value, flag, identifier, instance, number, optional, rule, whole
from domain.secrets import Secret

Profile = Literal["memory", "embedded", "servers"]
AuthoringChoice = Literal["memory", "postgres"]
DialogueChoice = Literal["memory", "mongo"]
RuntimeChoice = Literal["memory", "redis"]
AnalyticsChoice = Literal["memory", "mongo"]
MongoDriver = Literal["motor", "pymongo"]
LogForm = Literal["text", "json"]

LONGEST_RETENTION: Final = 24_000
"""Days: MongoDB counts them in seconds of 31 bits."""


class SettingsError(ValueError):
    """The settings can't be used. `faults` has all that is wrong, named where it was set.

    No value is repeated in the message: it might be a secret.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


@attrs.frozen(kw_only=True, slots=False)
class Stores(Value):
    """Which store serves which group of ports. What shares a unit of work shares its store."""

    authoring: AuthoringChoice | None = field(
        default=None, metadata=rule(optional(choice(*get_args(AuthoringChoice))))
    )
    """Flows, experiments, integrations, and the trail and outbox of what is changed in them; None
    leaves it to the profile: memory's is memory, the others' is postgres."""

    dialogue: DialogueChoice | None = field(
        default=None, metadata=rule(optional(choice(*get_args(DialogueChoice))))
    )
    """Conversations, messages and contexts; None: memory's is memory, the others' is mongo."""

    runtime: RuntimeChoice | None = field(
        default=None, metadata=rule(optional(choice(*get_args(RuntimeChoice))))
    )
    """Sessions, execution states, rate limits, cache and locks; None: memory's is memory, the
    others' is redis. In memory, each process has its own."""

    analytics: AnalyticsChoice | None = field(
        default=None, metadata=rule(optional(choice(*get_args(AnalyticsChoice))))
    )
    """Analytics events; None: where the conversations are."""

    def by_profile(self, profile: Profile) -> "Stores":
        """What isn't chosen yet, chosen by the profile."""
        in_memory = profile == "memory"
        dialogue: DialogueChoice = self.dialogue or ("memory" if in_memory else "mongo")
        return Stores(
            authoring=self.authoring or ("memory" if in_memory else "postgres"),
            dialogue=dialogue,
            analytics=self.analytics or dialogue,
            runtime=self.runtime or ("memory" if in_memory else "redis"),
        )


def _stores(candidate: object) -> Stores:
    if isinstance(candidate, Mapping):
        if unknown := [str(name) for name in candidate if name not in attrs.fields_dict(Stores)]:
            raise ValidationError("Stores", [Fault(name, "is not a setting") for name in unknown])
        return Stores(**candidate)
    kept: Stores = instance(Stores)(candidate)
    return kept


_DAYS: Final = optional(whole(1, 36_500))


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


@attrs.frozen(kw_only=True, slots=False)
class Settings(Value):
    """How a platform is put together. Immutable; its repr shows no password.

    Raises:
        SettingsError: naming every argument that is wrong.
    """

    profile: Profile = field(metadata=rule(choice(*get_args(Profile))))
    """`memory`: nothing is kept; `embedded`: private servers in `data`; `servers`: by URL."""

    postgres_url: str | None = field(
        default=None, repr=masked, metadata=rule(optional(url("postgres")))
    )
    mongo_url: str | None = field(default=None, repr=masked, metadata=rule(optional(url("mongo"))))
    redis_url: str | None = field(default=None, repr=masked, metadata=rule(optional(url("redis"))))
    """Where the servers are; the profile `servers` reads these, the others don't. For Redis or
    Valkey, alone or any node of a cluster."""

    postgres_owner_url: str | None = field(
        default=None, repr=masked, metadata=rule(optional(url("postgres")))
    )
    """The same database as `postgres_url`, as the role that owns the tables: `dialogbase migrate`
    connects so, if it is given. Then services may do with a login that is merely a member of
    `dialogbase_app`, for whom row-level security can't be turned off."""

    postgres_prepared_statements: bool = field(default=True, metadata=rule(flag))
    """Whether statements are prepared once a connection. False behind a pooler that shares
    connections by transaction and doesn't track them: then each costs a round trip more."""

    mongo_driver: MongoDriver = field(
        default="motor", metadata=rule(choice(*get_args(MongoDriver)))
    )
    """What talks to MongoDB: Motor, or PyMongo's own asynchronous client, its successor."""

    data: Path = field(default=Path(".dialogbase"), metadata=rule(folder))
    """The embedded servers' folder; a relative one is taken from the working directory."""

    pool_size: int = field(default=10, metadata=rule(whole(2, 1_000)))
    """Connections to PostgreSQL, and to MongoDB, that a process holds at most; two at least, since
    what waits for a transaction must not keep it from its end. (One more to PostgreSQL looks for
    erasures. To Redis there is one a node, and one for what is published.)"""

    deadline_seconds: float = field(default=10.0, metadata=rule(number(0.001, 3_600)))
    """After how long a call to a store gives up."""

    flow_cache: bool | None = field(default=None, metadata=rule(optional(flag)))
    """Whether flows that are read outside a unit of work come from caches: this process' own and,
    unless the store of runtime data is memory, the one that processes share. None: unless flows
    are in memory. How late they may then be read is said in `adapters.cached.flow_cache`. All
    processes over the same data have it alike: of the changes of one that has it off, the others
    hear by way of the outbox alone."""

    flow_cache_staleness_seconds: float = field(default=1.0, metadata=rule(number(0.001, 3_600)))
    """For how long at most a process serves a flow from its own memory."""

    encryption_keys: Secret | None = field(default=None, metadata=rule(optional(keys)))
    """What credentials in PostgreSQL are encrypted with: `id:key`, a key being 32 random bytes in
    base64url (`dialogbase keys generate` makes one), several separated by commas; in a file, a
    table. All of them can be read. Without any, the profile `embedded` has one of its own in
    `data`, and `servers` takes no credentials; memory needs none."""

    encryption_key: str | None = field(default=None, metadata=rule(optional(identifier(32))))
    """The id of the key that new credentials are encrypted with; None: the first."""

    analytics_retention_days: int | None = field(
        default=None, metadata=rule(optional(whole(1, LONGEST_RETENTION)))
    )
    """How long analytics events are kept, counted from their own time; None: for ever. In MongoDB,
    another number is a migration: it removes what is older, and what was removed stays so."""

    conversation_retention_days: int | None = field(default=None, metadata=rule(_DAYS))
    """How long a conversation without a `retain_until` of its own is kept after it has ended, with
    its messages and context; None: for ever. Run `platform.sweeping()`, or `dialogbase sweep`,
    somewhere: it removes this and what follows."""

    conversation_idle_hours: int | None = field(
        default=None, metadata=rule(optional(whole(1, 87_600)))
    )
    """After how long without activity an active conversation is timed out; None: never."""

    integration_call_retention_days: int | None = field(default=None, metadata=rule(_DAYS))
    """How long calls stand in integrations' logs; None: for ever. Their counts stay."""

    audit_retention_days: int | None = field(default=None, metadata=rule(_DAYS))
    """How long entries of the audit trail are kept; None: for ever. The rest can be verified."""

    erasure_staleness_seconds: float = field(default=1.0, metadata=rule(number(0.001, 3_600)))
    """For how long at most a process may go on writing of whom another has just erased. An erasure
    waits for so long, and asks the stores about twice in it whether anybody was."""

    tombstone_days: int = field(default=400, metadata=rule(whole(1, LONGEST_RETENTION)))
    """How long nothing is written of whom was erased: longer than backups are kept, and than
    anything waits anywhere to be written."""

    synchronise: bool = field(default=False, metadata=rule(flag))
    """Whether execution states are synchronised with their contexts and restored from them. Run
    `platform.synchronising()`, or `dialogbase sync`, somewhere. The same for every process."""

    synchronise_every_seconds: float = field(default=1.0, metadata=rule(number(0.001, 60)))
    """How long it takes, about, until a changed state is written into its context."""

    log: LogForm | None = field(default=None, metadata=rule(optional(choice(*get_args(LogForm)))))
    """As what the command `dialogbase` writes to standard error what the library logs; None: it
    doesn't. It takes `dialogbase[observability]`. (Services have loggers: see `ports.logs`.)"""

    log_failures: bool = field(default=False, metadata=rule(flag))
    """Whether each operation of a tenant's ports that fails is logged, by its error's class."""

    slow_operation_seconds: float | None = field(
        default=None, metadata=rule(optional(number(0.001, 3_600)))
    )
    """An operation that takes longer is logged; None: none. Of a stream, each wait for an item by
    itself; of a unit of work, all from its begin to its end."""

    telemetry: bool = field(default=False, metadata=rule(flag))
    """Whether operations, and rounds in the background, are OpenTelemetry's spans and metrics. It
    takes `dialogbase[observability]`, and in the service an SDK."""

    stores: Stores = field(factory=Stores, metadata=rule(_stores))

    def __attrs_post_init__(self) -> None:
        try:
            super().__attrs_post_init__()
        except ValidationError as error:
            raise SettingsError(error.faults) from None
        self.__dict__["stores"] = self.stores.by_profile(self.profile)
        if self.flow_cache is None:
            self.__dict__["flow_cache"] = self.stores.authoring != "memory"

    @property
    def erasure_staleness(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.erasure_staleness_seconds)

    @property
    def tombstones_kept(self) -> timedelta:
        """How long tombstones stand."""
        return timedelta(days=self.tombstone_days)

    @property
    def servers_needed(self) -> frozenset[ServerName]:
        """The servers that the chosen stores are on."""
        chosen = vars(self.stores.by_profile(self.profile))
        return frozenset(
            server
            for server, groups in _USERS_OF.items()
            if any(chosen[group] == server for group in groups)
        )

    @property
    def analytics_retention(self) -> timedelta | None:
        """How long analytics events are kept."""
        return _days(self.analytics_retention_days)

    @property
    def retention(self) -> Retention:
        """How long everything is kept."""
        hours = self.conversation_idle_hours
        return Retention(
            conversations=_days(self.conversation_retention_days),
            idle=None if hours is None else timedelta(hours=hours),
            integration_calls=_days(self.integration_call_retention_days),
            audit=_days(self.audit_retention_days),
            analytics=self.analytics_retention,
        )

    @property
    def synchronisation_interval(self) -> timedelta:
        """How long a synchroniser that finds nothing rests."""
        return timedelta(milliseconds=round(self.synchronise_every_seconds * 1_000))

    def _cross_faults(self) -> Iterator[Fault]:
        known = () if self.encryption_keys is None else self.encryption_keys.reveal()
        if self.encryption_key is not None and self.encryption_key not in known:
            yield Fault("encryption_key", "is none of encryption_keys")
        for name, package in (("log", "structlog"), ("telemetry", "opentelemetry")):
            if getattr(self, name) and find_spec(package) is None:
                yield Fault(name, "takes dialogbase[observability], which isn't installed")
        for server in sorted(self.servers_needed):
            if self.profile == "memory":
                chosen = vars(self.stores)
                for group in _USERS_OF[server]:
                    if chosen[group] == server:
                        told = f"is {server}, and the profile memory has no server"
                        yield Fault(f"stores.{group}", told)
            elif self.profile == "servers" and getattr(self, f"{server}_url") is None:
                yield Fault(f"{server}_url", "is missing, and the profile servers needs it")

    @classmethod
    def memory(cls) -> Self:
        """Everything in memory, nothing kept: what unit tests use."""
        return cls(profile="memory")

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        file: Path | None = None,
        **arguments: object,
    ) -> Self:
        """Settings from arguments (None: not given), then variables, then a TOML file.

        A variable is a field's name in capitals after `DIALOGBASE_`, such as
        `DIALOGBASE_STORES_AUTHORING`. The file is `file`, or the one that `DIALOGBASE_SETTINGS`
        names, if any. What is unknown in either is a fault, never ignored. Without a profile, it is
        `servers` if there is a URL, and `embedded` otherwise.

        Raises:
            SettingsError: naming every variable, key and argument that is wrong.
        """
        variables = os.environ if environ is None else environ
        path = file or (Path(named) if (named := variables.get(FILE_VARIABLE)) else None)
        faults: list[Fault] = []
        given: dict[str, tuple[str, object]] = {}
        if path is not None:
            given |= from_file(path, faults)
        given |= from_variables(variables, _NAMES, faults)
        given |= {name: (name, value) for name, value in flat(arguments) if value is not None}
        for name, (source, _) in list(given.items()):
            if name not in _NAMES:
                faults.append(Fault(source, f"is not a setting; there are {', '.join(_NAMES)}"))
                del given[name]
        if "profile" not in given:
            has_url = any(f"{server}_url" in given for server in SCHEMES)
            given["profile"] = ("profile", "servers" if has_url else "embedded")
        sources = {name: source for name, (source, _) in given.items()}
        try:
            made = cls(**nested({name: value for name, (_, value) in given.items()}))
        except SettingsError as error:
            for fault in error.faults:
                name = sources.get(fault.path, variable(fault.path))
                faults.append(Fault(name, fault.message))
            raise SettingsError(faults) from None
        if faults:
            raise SettingsError(faults)
        return made


_USERS_OF: Final[Mapping[ServerName, tuple[str, ...]]] = {
    "postgres": ("authoring",),
    "mongo": ("dialogue", "analytics"),
    "redis": ("runtime",),
}
"""Servers, and the groups of ports that may be on one."""

_NAMES: Final = tuple(
    name
    for kind in attrs.fields_dict(Settings)
    for name in (
        [f"stores.{part}" for part in attrs.fields_dict(Stores)] if kind == "stores" else [kind]
    )
)
