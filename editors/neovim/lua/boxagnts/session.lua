-- What is known of sessions, from what the server tells: who is at work, what waits, what it cost.
-- The server decides; this only remembers.

local client = require 'boxagnts.client'
local config = require 'boxagnts.config'
local executors = require 'boxagnts.executors'

local M = {
  -- The session that commands are about.
  current = nil,
  -- What managed sessions have others do.
  executors = executors.new(),
}

local all = {}
local listeners = {}

-- What is known of a session, by default the current one.
function M.of(id)
  id = id or M.current
  if id and not all[id] then
    all[id] = { id = id, state = 'idle', pending = 0, conflicted = 0, files = 0, spent = 0 }
  end
  return id and all[id]
end

-- Hears of each update, and of `nil` when another session became the current one.
function M.on(listener)
  table.insert(listeners, listener)
end

local function tell(update)
  for _, listener in ipairs(listeners) do
    listener(update)
  end
  vim.cmd 'redrawstatus'
end

function M.choose(id)
  M.current = id
  M.of(id)
  tell(nil)
end

local function plural(count, thing)
  return ('%d %s%s'):format(count, thing, count == 1 and '' or 's')
end
M.plural = plural

-- Dollars of the session so far; nil where no price is known, or nothing was spent.
function M.cost(session)
  local cost = (session.cost or 0) + session.spent
  return cost > 0 and cost or nil
end

-- In short, what waits.
function M.waits(session)
  local text = plural(session.pending + session.conflicted, 'hunk')
  if session.conflicted > 0 then
    text = text .. (' (%d in conflict)'):format(session.conflicted)
  end
  return text
end

-- Takes an update in. Past ones of a session that comes back say nothing of what runs now.
function M.remember(update)
  local session, event = M.of(update.session), update.event
  if event == 'turn_started' then
    session.state = 'running'
  elseif event == 'model_answered' then
    session.spent = session.spent + (update.cost_usd or 0)
  elseif event == 'proposal_changed' then
    session.files, session.pending, session.conflicted = update.files, update.pending, update.conflicted
    if session.state ~= 'running' then
      session.state = session.pending + session.conflicted > 0 and 'review' or 'idle'
    end
  elseif event == 'mode_changed' then
    session.mode = update.mode
  elseif event == 'turn_ended' then
    session.state = session.pending + session.conflicted > 0 and 'review' or 'idle'
    session.cost, session.spent = update.cost_usd or session.cost, 0
  end
end

-- The server says nothing of these to a client that reviews by itself.
local function notify(update)
  local event = update.event
  if event == 'decided' then
    for _, hunk in ipairs(update.hunks) do
      if hunk.state ~= 'accepted' and hunk.reason then
        client.say(('%s was not applied: %s'):format(hunk.id, hunk.reason), vim.log.levels.WARN)
      end
    end
  elseif event == 'turn_ended' then
    local session, outcome = M.of(update.session), update.outcome
    if outcome.kind == 'failed' then
      client.say(outcome.message, vim.log.levels.ERROR)
    elseif outcome.kind == 'limit' then
      local text = 'stopped at the limit `%s`: %s of %s used; ask again to go on, or raise it'
      client.say(text:format(outcome.limit, outcome.used, outcome.value), vim.log.levels.WARN)
    elseif session.pending + session.conflicted > 0 then
      client.say(('%s in %s: :BoxAgnts review'):format(M.waits(session), plural(session.files, 'file')))
    else
      client.say(outcome.kind == 'cancelled' and 'cancelled' or 'done, nothing is proposed')
    end
  elseif event == 'undone' then
    local files = table.concat(update.result.files, ', ')
    client.say(files ~= '' and 'taken back in ' .. files or 'nothing had to change')
  end
end

function M.on_update(update)
  local _, news = M.executors:follow(update)
  if news then
    client.say(news)
  end
  if M.executors:manager(update.session) then
    -- Its manager speaks for it, and has its hunks.
    tell(update)
  else
    if update.event == 'turn_started' and update.session ~= M.current then
      -- What was asked last is what commands are about, whoever asked.
      M.choose(update.session)
    end
    M.remember(update)
    tell(update)
    if not config.options.questions then
      notify(update)
    end
  end
  if config.options.on_update then
    config.options.on_update(update)
  end
  vim.api.nvim_exec_autocmds('User', { pattern = 'BoxAgntsUpdate', modeline = false })
end

-- Takes up a session where it was left: the server has its hunks, the journal its past.
function M.resume(id, done)
  client.request('boxagnts.proposal', { session = id, limit = 1, waiting = true }, function(proposal)
    local session = M.of(id)
    session.state, session.mode = proposal.state, proposal.mode
    session.files = proposal.waiting_files
    session.pending, session.conflicted = proposal.pending, proposal.conflicted
    M.choose(id)
    if done then
      done(session)
    end
  end)
end

client.on('gone', function()
  M.executors = executors.new()
  for _, session in pairs(all) do
    session.state = 'idle'
  end
  vim.cmd 'redrawstatus'
end)

-- A server that was started anew goes on with the session.
client.on('ready', function()
  if M.current then
    M.resume(M.current, function(session)
      client.say(('the server is back; %s'):format(
        session.state == 'review' and M.waits(session) .. ' as before' or 'nothing waits'
      ))
    end)
  end
end)

-- For a status line: what the session does, what waits, what it cost.
function M.statusline()
  if client.died and not client.id then
    return 'BoxAgnts: ended'
  end
  local session = M.of()
  if not session then
    return ''
  end
  local parts = { session.state }
  local at_work = M.executors:status(session.id)
  if at_work then
    table.insert(parts, at_work)
  end
  if session.pending + session.conflicted > 0 then
    table.insert(parts, M.waits(session))
  end
  -- The usual one goes without saying.
  local mode = session.mode or (config.options.settings or {}).mode
  if mode and mode ~= 'review' then
    table.insert(parts, ('mode %s'):format(mode))
  end
  local cost = M.cost(session)
  if cost then
    table.insert(parts, ('$%.4f'):format(cost))
  end
  return 'BoxAgnts: ' .. table.concat(parts, ', ')
end

return M
