-- Raises the revision of a record of that life above one, and notes it, if it isn't as far yet.
local function lift(key, mark, it, life, revision)
    if it and life_of(it) == life and it.revision < revision then
        it.revision = revision + 1
        redis.call('SET', key, header(it) .. it.owner .. it.content, 'KEEPTTL')
        note(mark, life, it.revision, 0)
    end
end
