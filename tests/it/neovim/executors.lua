-- Executors of a managed session, by recorded events: lines in the chat, the status line, what is told,
-- and what is sent to cancel them. No server is asked.
local sent, past = {}, {}
require('boxagnts.client').request = function(command, argument, done)
  if command == 'boxagnts.history' then
    return done { updates = vim.deepcopy(past) }
  end
  table.insert(sent, { command, argument })
end

local numbers = {}
local function event(name, of, more)
  numbers[of] = (numbers[of] or 0) + 1
  local update = vim.tbl_extend('force', { event = name, session = of, seq = numbers[of], turn = 1 }, more or {})
  if of == 'm' then
    table.insert(past, update)
  end
  require('boxagnts.session').on_update(update)
end

local function lines()
  return vim.tbl_filter(function(line)
    return vim.startswith(line, '…') or vim.startswith(line, '✓') or vim.startswith(line, '✗')
  end, require('boxagnts.chat').lines())
end

local function check(wanted_lines, wanted_status)
  same(lines(), wanted_lines)
  same(plugin.statusline(), wanted_status)
end

test(function()
  event('turn_started', 'm', { prompt = 'do both' })
  plugin.chat()
  event('executor_queued', 'm', { call = 'c1', executor = 'a', task = 'tests', model = 'x', isolation = 'overlay' })
  event('executor_queued', 'm', { call = 'c2', executor = 'b', task = 'docs', model = 'x', isolation = 'worktree' })
  check({ '… tests: queued', '… docs: queued' }, 'BoxAgnts: running, executors 0/2')

  -- What one does is in its own events, and its session is never the one that is talked to.
  event('executor_started', 'm', { call = 'c1', executor = 'a' })
  event('turn_started', 'a', { prompt = 'tests' })
  event('tool_started', 'a', { call = { id = 't', name = 'edit', input = { path = 'a.rs' } } })
  event('model_answered', 'a', { usage = {}, cost_usd = 0.25 })
  same(require('boxagnts.session').current, 'm')
  check({ '… tests: running, edit a.rs, $0.2500', '… docs: queued' }, 'BoxAgnts: running, executors 1/2')

  event('asked', 'a', { id = 'q', question = { question = 'Which one?' } })
  same(said, { 'BoxAgnts: the executor “tests” asks: Which one?' })
  check({ '… tests: asking, edit a.rs, $0.2500', '… docs: queued' }, 'BoxAgnts: running, executors 1/2')
  event('answered', 'a', { id = 'q', answer = { kind = 'dismissed' } })

  -- One is chosen, or all are meant.
  answer, sent = 'docs', {}
  vim.cmd 'BoxAgnts cancel executor'
  vim.cmd 'BoxAgnts cancel executors'
  same(sent, {
    { 'boxagnts.cancelExecutor', { executor = 'b', session = 'm' } },
    { 'boxagnts.cancelExecutor', { session = 'm' } },
  })

  said = {}
  event('turn_ended', 'a', { outcome = { kind = 'done' }, usage = {} })
  same(said, {})
  event('executor_ended', 'm', {
    call = 'c1', executor = 'a', outcome = { kind = 'done' }, usage = {}, cost_usd = 0.5, hunks = 2, conflicts = 1,
  })
  event('executor_ended', 'm', {
    call = 'c2', executor = 'b', outcome = { kind = 'failed', message = 'no model' }, usage = {},
    cost_usd = vim.NIL, hunks = 0, conflicts = 0,
  })
  same(said, { 'BoxAgnts: all 2 executors have finished: 2 hunks, 1 in conflict, 1 did not get to the end' })
  check(
    { '✓ tests: done, 2 hunks, 1 in conflict, $0.5000', '✗ docs: failed, no model, 0 hunks' },
    'BoxAgnts: running'
  )
end)
