-- What scripts on execution states that are tracked begin with, after keyed.lua.
--
-- A note `<life>:<revision>:<0, or 1 if it ended>` says that the state isn't synchronised yet. A
-- state's life stands in its record as the owner; if that is empty, it is when it was created.
local NOTED_FOR = 7862400000

local function life_of(it)
    return tonumber(it.owner) or it.created
end

local function note(key, life, revision, ended)
    redis.call('SET', key, string.format('%.0f:%.0f:%d', life, revision, ended), 'PX', NOTED_FOR)
end

local function noted(key)
    local found = redis.call('GET', key)
    if not found then
        return 0, 0
    end
    local life, revision = string.match(found, '^(%d+):(%d+):')
    return tonumber(life), tonumber(revision)
end
