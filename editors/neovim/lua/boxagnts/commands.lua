-- `:BoxAgnts COMMAND …`: what each command takes, and what completes it. The help file has a tag for
-- each of them.

local M = {}

local function boxagnts()
  return require 'boxagnts'
end

local function warn(message)
  vim.notify('BoxAgnts: ' .. message, vim.log.levels.WARN)
end

-- The selected text where characters were selected, else the lines.
local function range(call)
  if call.range == 0 then
    return nil
  end
  local from, to = vim.api.nvim_buf_get_mark(0, '<'), vim.api.nvim_buf_get_mark(0, '>')
  if vim.fn.visualmode() == 'v' and from[1] == call.line1 and to[1] == call.line2 and call.range == 2 then
    return vim.lsp.util.make_given_range_params(from, to, 0, 'utf-16').range
  end
  return { call.line1, call.line2 }
end

local function lines(call)
  return call.range > 0 and { call.line1, call.line2 } or nil
end

local function ask(call, words, options)
  options = vim.tbl_extend('force', { range = range(call) }, options)
  if words ~= '' then
    return boxagnts().ask(words, options)
  end
  vim.ui.input({ prompt = 'Ask BoxAgnts: ' }, function(prompt)
    if prompt and prompt ~= '' then
      boxagnts().ask(prompt, options)
    end
  end)
end

local function is_hunk(word)
  return word:match '^h%d+$' ~= nil
end

-- Which hunks, then words of the user: `all`, `file`, ids, or none of these.
local function selection(words)
  local chosen = {}
  local list = vim.split(words, '%s+', { trimempty = true })
  if list[1] == 'all' or list[1] == 'file' then
    chosen = { table.remove(list, 1) }
  else
    while list[1] and is_hunk(list[1]) do
      table.insert(chosen, table.remove(list, 1))
    end
  end
  return chosen, #list > 0 and table.concat(list, ' ') or nil
end

local function hunks()
  local all = {}
  for _, waiting in ipairs(require('boxagnts.proposal').hunks()) do
    table.insert(all, waiting.hunk.id)
  end
  return all
end

local function hunks_or_more()
  return vim.list_extend({ 'all', 'file' }, hunks())
end

-- Numbers that a command may have; nil for none, false for something else.
local function number(words)
  if words == '' then
    return nil
  end
  return tonumber(words:match '^%d+$') or false
end

local function with_number(words, what, run)
  local given = number(words)
  if given == false then
    return warn(('`%s` is no %s'):format(words, what))
  end
  run(given)
end

local function nothing(name)
  return function()
    boxagnts()[name]()
  end
end

-- Each: what it does with the call and its words, and what completes it.
M.known = {
  ask = { function(call, words) ask(call, words, {}) end, complete = 'prompt' },
  new = { function(call, words) ask(call, words, { new = true }) end, complete = 'prompt' },
  queue = { function(call, words) ask(call, words, { busy = 'queue' }) end, complete = 'prompt' },
  chat = { nothing 'chat' },
  review = { nothing 'review' },
  quickfix = { nothing 'quickfix' },
  next = { function() boxagnts().jump(true) end },
  previous = { function() boxagnts().jump(false) end },
  accept = {
    function(call, words)
      local chosen, rest = selection(words)
      if rest then
        return warn(('`%s` is no hunk: give all, file, or ids as h1'):format(rest))
      end
      boxagnts().accept(chosen, lines(call))
    end,
    complete = hunks_or_more,
  },
  reject = {
    function(call, words)
      local chosen, comment = selection(words)
      boxagnts().reject(chosen, lines(call), comment)
    end,
    complete = hunks_or_more,
  },
  amend = { function(_, words) boxagnts().amend(words ~= '' and words or nil) end, complete = hunks },
  split = { function(_, words) boxagnts().split(words ~= '' and words or nil) end, complete = hunks },
  repropose = {
    function(_, words)
      local chosen, rest = selection(words)
      if rest or #chosen == 0 then
        return warn 'which hunks? Give ids as h1'
      end
      boxagnts().repropose(chosen)
    end,
  },
  undo = {
    function(_, words)
      with_number(words, 'checkpoint', function(checkpoint) boxagnts().undo(checkpoint) end)
    end,
  },
  checkpoints = { nothing 'checkpoints' },
  cancel = {
    function(_, words)
      if words ~= '' and words ~= 'executor' and words ~= 'executors' then
        return warn 'cancel what? Nothing for the turn, or `executor`, or `executors`'
      end
      boxagnts().cancel(words ~= '' and words or nil)
    end,
    complete = function() return { 'executor', 'executors' } end,
  },
  sessions = { nothing 'sessions' },
  resume = {
    function(_, words) boxagnts().resume(words ~= '' and words or nil) end,
    complete = function() return require('boxagnts.schedules').sessions end,
  },
  fork = {
    function(_, words)
      with_number(words, 'turn', function(turn) boxagnts().fork(turn) end)
    end,
  },
  rename = {
    function(_, words)
      if words == '' then
        return warn 'what is the session to be called?'
      end
      boxagnts().rename(words)
    end,
  },
  delete = { nothing 'delete' },
  compact = { function(_, words) boxagnts().compact(words ~= '' and words or nil) end },
  usage = {
    function(_, words) boxagnts().usage(words ~= '' and words or nil) end,
    complete = function() return { 'day', 'session', 'model' } end,
  },
  patch = { nothing 'patch' },
  branch = {
    function(_, words)
      local name, message = words:match '^(%S+)%s*(.*)$'
      if not name then
        return warn 'to which branch? As in :BoxAgnts branch agent/rename Rename total to sum'
      end
      boxagnts().branch(name, message ~= '' and message or nil)
    end,
    -- A new one, so there is nothing else to choose from.
    complete = function(is_first) return is_first and { 'agent/' } or {} end,
  },
  restart = { nothing 'restart' },
}

local function names()
  local all = vim.tbl_keys(M.known)
  table.sort(all)
  return all
end

function M.run(call)
  local name, words = call.args:match '^(%S*)%s*(.-)%s*$'
  local command = M.known[name]
  if command then
    return command[1](call, words)
  elseif name == '' then
    return warn('what? There are ' .. table.concat(names(), ', '))
  end
  warn(('there is no `:BoxAgnts %s`; to ask for something: :BoxAgnts ask %s'):format(name, call.args))
end

-- A prompt may mention files, and begin with a command.
local function of_prompt(word, is_first)
  if word:sub(1, 1) == '@' then
    return vim.tbl_map(function(name)
      return '@' .. name
    end, vim.fn.getcompletion(word:sub(2), 'file'))
  elseif is_first and word:sub(1, 1) == '/' then
    return require('boxagnts').prompt_commands()
  end
  return {}
end

function M.complete(word, line)
  local before = line:gsub('^.-BoxAgnts!?%s+', '')
  local name = before:match '^(%S+)%s'
  local found
  if not name then
    found = names()
  else
    local command = M.known[name] or {}
    local is_first = before:match '^%S+%s+%S*$' ~= nil
    if command.complete == 'prompt' then
      found = of_prompt(word, is_first)
    else
      found = command.complete and command.complete(is_first) or {}
    end
  end
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, word)
  end, found)
end

return M
