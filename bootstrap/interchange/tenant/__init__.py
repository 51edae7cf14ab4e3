"""A whole tenant as a folder of JSON Lines, a file a kind of record, with a manifest.

    manifest.json                 what there is, written last: without it, the export isn't whole
    flows.jsonl, conversations.jsonl, messages.jsonl, …    a record a line (`forms`); or `.jsonl.gz`

The manifest says the format and its version, the tenant, when, and of each file its kind, records,
bytes and SHA-256 (of the file as it is there: `sha256sum` tells the same); what isn't in any export
(`left_out`, each with the reason); and what became of credentials. These are never in the clear:
sealed under a key that is given for the export, or left out, of which integrations it says.

What is a tenant's and in no export is listed in `ports.archives`.
"""

from bootstrap.interchange.tenant.exporting import export_tenant
from bootstrap.interchange.tenant.importing import (
    FileRefusal,
    KindReport,
    TenantImportReport,
    import_tenant,
)
from bootstrap.interchange.tenant.manifest import ExportedFile, Manifest, UnusableExportError

__all__ = [
    "ExportedFile",
    "FileRefusal",
    "KindReport",
    "Manifest",
    "TenantImportReport",
    "UnusableExportError",
    "export_tenant",
    "import_tenant",
]
