-- Proposals of scheduled tasks that wait, as the server tells of them, and of which of them the user has
-- heard. The server tells all that waits whenever it starts and whenever a task ends; a user hears of each
-- once.

local client = require 'boxagnts.client'
local config = require 'boxagnts.config'

local M = {
  -- Their sessions, the latest first.
  sessions = {},
}

-- So many are named in a message.
local MOST_NAMED = 3
local heard = {}

local function words(news)
  local named = {}
  for index = 1, math.min(#news, MOST_NAMED) do
    local hunks = news[index].hunks
    table.insert(named, ('%s (%d hunk%s)'):format(news[index].job, hunks, hunks == 1 and '' or 's'))
  end
  local list = table.concat(named, ', ') .. (#news > MOST_NAMED and ', …' or '')
  if #news == 1 then
    return ('a proposal of a scheduled task waits: %s; :BoxAgnts resume %s'):format(list, news[1].session)
  end
  return ('%d proposals of scheduled tasks wait: %s; :BoxAgnts sessions'):format(#news, list)
end

-- Takes in what waits, and tells what is new of it.
function M.on_schedules(params)
  local news = {}
  M.sessions = {}
  for _, proposal in ipairs(params.waiting) do
    table.insert(M.sessions, proposal.session)
    if not heard[proposal.session] then
      heard[proposal.session] = true
      table.insert(news, proposal)
    end
  end
  -- With the option `questions` the server says it.
  if #news > 0 and not config.options.questions then
    client.say(words(news))
  end
end

return M
