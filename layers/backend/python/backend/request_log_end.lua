#!lua
-- End the taking of requests, unless somebody else has and others are taken by now.
--
-- KEYS     1 what is taken: a list
-- ARGV     1 its first request when it was read
-- Returns  1 where it is deleted, else 0
--
-- One script, because what is taken anew between a look and a deletion would be lost.
if redis.call('LINDEX', KEYS[1], 0) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
