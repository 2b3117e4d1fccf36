-- The executors of managed sessions, as the server tells of them: what each does, costs and proposes.
-- The server decides; this only remembers.

local M = {}
local Tree = {}
Tree.__index = Tree

function M.new()
  return setmetatable({
    -- Executors by their own session; those of a manager in order.
    all = {},
    of_manager = {},
    -- By manager: those that ended since it was last said that all had.
    ended = {},
    -- Sessions of executors, also of those that are no longer shown.
    known = {},
  }, Tree)
end

-- Whether it waits or works, and can be cancelled.
function M.is_active(executor)
  return executor.state == 'queued' or executor.state == 'running' or executor.state == 'asking'
end

local function count(number, thing)
  return ('%d %s%s'):format(number, thing, number == 1 and '' or 's')
end

-- The task, the state and what is known of it, in a line.
function M.describe(executor)
  local parts = { executor.state }
  if executor.doing ~= '' and executor.state ~= 'queued' then
    table.insert(parts, executor.doing)
  end
  if not M.is_active(executor) then
    table.insert(parts, count(executor.hunks, 'hunk'))
  end
  if executor.conflicts > 0 then
    table.insert(parts, ('%d in conflict'):format(executor.conflicts))
  end
  if executor.cost and executor.cost > 0 then
    table.insert(parts, ('$%.4f'):format(executor.cost))
  end
  local text = ('%s: %s'):format(executor.task, table.concat(parts, ', '))
  return (text:gsub('[\r\n].*', ''))
end

-- What is said when all have ended.
function M.finished(executors)
  local hunks, conflicts, bad = 0, 0, 0
  for _, executor in ipairs(executors) do
    hunks, conflicts = hunks + executor.hunks, conflicts + executor.conflicts
    bad = bad + (executor.state == 'done' and 0 or 1)
  end
  local who = #executors == 1 and 'the executor has' or ('all %d executors have'):format(#executors)
  local parts = { ('%s finished: %s'):format(who, count(hunks, 'hunk')) }
  if conflicts > 0 then
    table.insert(parts, ('%d in conflict'):format(conflicts))
  end
  if bad > 0 then
    table.insert(parts, ('%d did not get to the end'):format(bad))
  end
  return table.concat(parts, ', ')
end

-- The manager of a session that is an executor's; it speaks for it.
function Tree:manager(session)
  return self.known[session]
end

-- Those of a manager, in order.
function Tree:of(manager)
  return self.of_manager[manager] or {}
end

-- Those of a manager that can be cancelled.
function Tree:active(manager)
  return vim.tbl_filter(M.is_active, self:of(manager))
end

-- For a status line: how many run, of how many; nil where none is at work.
function Tree:status(manager)
  if #self:active(manager) == 0 then
    return nil
  end
  local running = vim.tbl_filter(function(executor)
    return executor.state ~= 'queued' and M.is_active(executor)
  end, self:of(manager))
  return ('executors %d/%d'):format(#running, #self:of(manager))
end

-- What earlier turns spawned and what has ended is not kept for ever.
local function forget_before(tree, manager, turn)
  tree.of_manager[manager] = vim.tbl_filter(function(executor)
    local stays = executor.turn >= turn or M.is_active(executor)
    if not stays then
      tree.all[executor.id] = nil
    end
    return stays
  end, tree:of(manager))
end

local function get(tree, update)
  local executor = tree.all[update.executor]
  if not executor then
    executor = {
      id = update.executor, manager = update.session, turn = update.turn, task = 'executor',
      state = 'queued', doing = '', hunks = 0, conflicts = 0,
    }
    tree.all[executor.id] = executor
    tree.known[executor.id] = executor.manager
    tree.of_manager[executor.manager] = tree:of(executor.manager)
    table.insert(tree.of_manager[executor.manager], executor)
  end
  return executor
end

local function title(call)
  local input = type(call.input) == 'table' and call.input or {}
  local object = input.path or input.pattern or input.from or input.url or ''
  return (('%s %s'):format(call.name, tostring(object)):gsub('%s+$', ''))
end

-- Events of managers.
local of_manager = {
  executor_queued = function(tree, update)
    forget_before(tree, update.session, update.turn)
    local executor = get(tree, update)
    executor.task, executor.model, executor.isolation = update.task, update.model, update.isolation
  end,
  executor_started = function(tree, update)
    get(tree, update).state = 'running'
  end,
  executor_ended = function(tree, update)
    local executor, outcome, manager = get(tree, update), update.outcome, update.session
    if not M.is_active(executor) then
      -- It has ended before.
      return nil
    end
    executor.state, executor.doing = outcome.kind, outcome.message or outcome.limit or ''
    if type(update.cost_usd) == 'number' then
      executor.cost = update.cost_usd
    end
    executor.hunks, executor.conflicts = update.hunks, update.conflicts
    local ended = tree.ended[manager] or {}
    table.insert(ended, executor)
    if #tree:active(manager) > 0 then
      tree.ended[manager] = ended
      return nil
    end
    tree.ended[manager] = nil
    return M.finished(ended)
  end,
}

-- Events of executors themselves.
local own = {
  model_called = function(executor)
    executor.doing = 'thinking'
  end,
  text_delta = function(executor)
    executor.doing = 'writing'
  end,
  tool_started = function(executor, update)
    executor.doing = title(update.call)
  end,
  model_answered = function(executor, update)
    if type(update.cost_usd) == 'number' then
      executor.cost = (executor.cost or 0) + update.cost_usd
    end
  end,
  asked = function(executor, update)
    executor.state = 'asking'
    return ('the executor “%s” asks: %s'):format(executor.task, update.question.question)
  end,
  answered = function(executor)
    executor.state = 'running'
  end,
}

-- Takes an update in. The executor that it is about, and what the user should hear of it.
function Tree:follow(update)
  if of_manager[update.event] then
    local news = of_manager[update.event](self, update)
    return self.all[update.executor], news
  end
  local executor = self.all[update.session]
  if executor and own[update.event] and M.is_active(executor) then
    return executor, own[update.event](executor, update)
  end
end

return M
