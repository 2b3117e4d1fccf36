-- The conversation of the current session in a buffer at the side, as it comes: what was asked and
-- answered in Markdown, tool calls in a line each with the rest folded below, decisions, costs.
--
-- The past comes from the server's journal, so that nothing need be kept here.

local client = require 'boxagnts.client'
local config = require 'boxagnts.config'
local executors = require 'boxagnts.executors'
local session = require 'boxagnts.session'

local M = {}

-- Lines below a tool call.
local MOST_LINES = 200
-- Events in one answer.
local PAGE = 500
-- Text that streams is written so often, in milliseconds.
local PAUSE = 40

local namespace = vim.api.nvim_create_namespace 'boxagnts-chat'
local buffer
-- What the buffer shows: the session, its last event, whether the past is still being fetched and
-- what happened meanwhile, the rows of tool calls that run, text that is not written yet.
local shown = {}

local function is_open()
  return buffer and vim.api.nvim_buf_is_valid(buffer)
end

local function windows()
  return is_open() and vim.fn.win_findbuf(buffer) or {}
end

-- Changes the buffer; windows at its end stay at its end.
local function edit(change)
  local last = vim.api.nvim_buf_line_count(buffer)
  local follow = vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] >= last
  end, windows())
  vim.bo[buffer].modifiable = true
  change()
  vim.bo[buffer].modifiable = false
  last = vim.api.nvim_buf_line_count(buffer)
  for _, window in ipairs(follow) do
    vim.api.nvim_win_set_cursor(window, { last, 0 })
  end
end

local function split(text)
  return vim.split((text:gsub('\r', '')), '\n', { plain = true })
end

-- Writes the text that has streamed in since the last time.
local function flush()
  local text = shown.text
  if not text or text == '' or not is_open() then
    return
  end
  shown.text = ''
  edit(function()
    local last = vim.api.nvim_buf_line_count(buffer) - 1
    local line = vim.api.nvim_buf_get_lines(buffer, last, -1, false)[1]
    vim.api.nvim_buf_set_text(buffer, last, #line, last, #line, split(text))
  end)
end

local function stream(text)
  shown.text = (shown.text or '') .. text
  if not shown.planned then
    shown.planned = true
    local of = shown
    vim.defer_fn(function()
      of.planned = false
      if of == shown then
        flush()
      end
    end, PAUSE)
  end
end

-- Whether a line is one of a tool call.
local function is_of_tool(line)
  for _, mark in ipairs { '…', '✓', '✗', '│' } do
    if vim.startswith(line, mark) then
      return true
    end
  end
  return false
end

-- Appends lines, with an empty one before them where `gap` says so and there is none.
local function append(lines, gap)
  flush()
  edit(function()
    local last = vim.api.nvim_buf_line_count(buffer)
    local line = vim.api.nvim_buf_get_lines(buffer, last - 1, -1, false)[1]
    local from = last
    if line == '' then
      from = last - 1
      local before = vim.api.nvim_buf_get_lines(buffer, math.max(last - 2, 0), last - 1, false)[1]
      if gap and before and before ~= '' then
        from = last
      end
    elseif gap then
      lines = vim.list_extend({ '' }, lines)
    end
    vim.api.nvim_buf_set_lines(buffer, from, -1, false, lines)
  end)
  return vim.api.nvim_buf_line_count(buffer) - 1
end

local function details(text)
  local lines = split((text:gsub('%s+$', '')))
  if #lines > MOST_LINES then
    local left = #lines - MOST_LINES
    lines = vim.list_slice(lines, 1, MOST_LINES)
    table.insert(lines, ('… %d more lines'):format(left))
  end
  return vim.tbl_map(function(line)
    return '│ ' .. line
  end, lines)
end

-- A tool call in a few words: its name, and what it is about.
local function title(call)
  local input = type(call.input) == 'table' and call.input or {}
  local object = input.path or input.pattern or input.from or input.url or ''
  return (('%s %s'):format(call.name, tostring(object)):gsub('[\r\n].*', ''):gsub('%s+$', ''))
end

local function tool_finished(update)
  local report = update.report
  local row = shown.calls[update.id]
  local place = row and vim.api.nvim_buf_get_extmark_by_id(buffer, namespace, row, {})[1]
  if not place then
    return
  end
  flush()
  local line = vim.api.nvim_buf_get_lines(buffer, place, place + 1, false)[1] or ''
  local decision = report.decision
  local mark = report.ok and '✓' or '✗'
  line = line:gsub('^…', mark)
  if decision and decision.verdict == 'denied' then
    line = line .. ': denied, ' .. split(decision.reason)[1]
  elseif report.error then
    line = line .. ': ' .. split(report.error.message or '')[1]
  end
  local below = {}
  for _, text in ipairs { report.output or '', report.diff or '' } do
    if text:match '%S' then
      vim.list_extend(below, details(text))
    end
  end
  edit(function()
    vim.api.nvim_buf_set_lines(buffer, place, place + 1, false, vim.list_extend({ line }, below))
  end)
end

-- A line for each executor; it says what it does now.
local function write_executor(executor)
  flush()
  local mark = executors.is_active(executor) and '…' or executor.state == 'done' and '✓' or '✗'
  local line = ('%s %s'):format(mark, executors.describe(executor))
  local row = shown.lines[executor.id]
  local place = row and vim.api.nvim_buf_get_extmark_by_id(buffer, namespace, row, {})[1]
  if place then
    local old = vim.api.nvim_buf_get_lines(buffer, place, place + 1, false)[1]
    return old ~= line and edit(function()
      vim.api.nvim_buf_set_text(buffer, place, 0, place, #old, { line })
      vim.api.nvim_buf_set_extmark(buffer, namespace, place, 0, { id = row })
    end)
  end
  local last = vim.api.nvim_buf_get_lines(buffer, -2, -1, false)[1]
  local at = append({ line }, last ~= '' and not is_of_tool(last))
  shown.lines[executor.id] = vim.api.nvim_buf_set_extmark(buffer, namespace, at, 0, {})
end

-- What happened to an executor, by its manager's events or its own.
local function follow_executor(update)
  local executor = shown.executors:follow(update)
  if executor then
    write_executor(executor)
  end
end

local function tokens(usage)
  local sum = 0
  for _, count in pairs(usage or {}) do
    sum = sum + (type(count) == 'number' and count or 0)
  end
  return sum
end

local function turn_ended(update)
  local outcome, words = update.outcome, {}
  if outcome.kind == 'failed' then
    words[1] = 'failed: ' .. outcome.message
  elseif outcome.kind == 'limit' then
    words[1] = ('stopped at the limit `%s`: %s of %s used'):format(outcome.limit, outcome.used, outcome.value)
  else
    words[1] = outcome.kind
  end
  local sum = tokens(update.usage)
  if sum > 0 then
    table.insert(words, ('%d tokens so far'):format(sum))
  end
  if (update.cost_usd or 0) > 0 then
    table.insert(words, ('$%.4f'):format(update.cost_usd))
  end
  local lines = split(table.concat(words, ', '))
  lines[1] = '*' .. lines[1]
  lines[#lines] = lines[#lines] .. '*'
  append(lines, true)
end

local function decided(update)
  local by = {}
  for _, hunk in ipairs(update.hunks) do
    by[hunk.state] = by[hunk.state] or {}
    table.insert(by[hunk.state], hunk.id)
  end
  for _, state in ipairs { 'accepted', 'rejected', 'conflicted', 'pending' } do
    if by[state] then
      local comment = state == 'rejected' and update.comment and ': ' .. update.comment or ''
      append(split(('- %s %s%s'):format(state, table.concat(by[state], ', '), comment)))
    end
  end
end

local write = {
  turn_started = function(update)
    local lines = split(update.prompt)
    lines[1] = ('## %d. %s'):format(update.turn, lines[1])
    append(lines, true)
    append({ '' }, true)
  end,
  steered = function(update)
    append(split('> ' .. update.prompt), true)
  end,
  queued = function(update)
    append(split('- waits: ' .. update.prompt), true)
  end,
  dropped = function(update)
    append(split('- no longer waits: ' .. table.concat(update.prompts, '; ')), true)
  end,
  compacted = function()
    append({ '- the conversation was summed up, to fit the model' }, true)
  end,
  model_called = function()
    append({ '' }, true)
  end,
  text_delta = function(update)
    stream(update.text)
  end,
  thought = function(update)
    for _, piece in ipairs(update.answer) do
      if piece.type == 'thinking' and (piece.text or '') ~= '' then
        append(vim.list_extend({ '✓ thought' }, details(piece.text)), true)
      end
    end
  end,
  model_retry = function(update)
    append(split('- asked again: ' .. update.reason), true)
  end,
  tool_started = function(update)
    flush()
    local last = vim.api.nvim_buf_get_lines(buffer, -2, -1, false)[1]
    local row = append({ '… ' .. title(update.call) }, last ~= '' and not is_of_tool(last))
    shown.calls[update.call.id] = vim.api.nvim_buf_set_extmark(buffer, namespace, row, 0, {})
  end,
  tool_finished = tool_finished,
  decided = decided,
  undone = function(update)
    append(split('- taken back: ' .. table.concat(update.result.files, ', ')))
    for _, file in ipairs(update.result.refused or {}) do
      append(split(('- `%s` was not taken back: %s'):format(file.path, file.reason)))
    end
  end,
  recovered = function(update)
    local how = update.applied and 'brought to an end' or 'taken back'
    append(split(('- an interrupted batch was %s: %s'):format(how, table.concat(update.files, ', '))))
  end,
  notice = function(update)
    append(split('- note: ' .. update.message), true)
  end,
  executor_queued = follow_executor,
  executor_started = follow_executor,
  executor_ended = follow_executor,
  turn_ended = turn_ended,
}

-- Writes an event that is the next one.
local function take(update)
  if update.seq and update.seq <= shown.seq then
    return
  end
  shown.seq = update.seq or shown.seq
  local how = write[update.event]
  if how then
    how(update)
  end
end

-- Writes the session's past, page by page, then what happened meanwhile.
local function replay()
  local of = shown
  if of.fetching then
    return
  end
  of.fetching, of.later = true, {}
  local function page(after)
    client.request('boxagnts.history', { session = of.session, after = after, limit = PAGE }, function(history)
      if of ~= shown or not is_open() then
        return
      end
      for _, update in ipairs(history.updates) do
        take(update)
      end
      if history.next then
        return page(history.next)
      end
      of.fetching = false
      for _, update in ipairs(of.later) do
        take(update)
      end
      of.later = {}
    end)
  end
  page(of.seq > 0 and of.seq or nil)
end

local function begin()
  shown = { session = session.current, seq = 0, calls = {}, text = '', later = {}, lines = {}, executors = executors.new() }
  edit(function()
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { '' })
  end)
  if shown.session then
    replay()
  end
end

session.on(function(update)
  if not is_open() then
    return
  elseif shown.session ~= session.current then
    -- What happened so far is in the journal.
    begin()
  elseif not update then
    -- The server is back: what it said last may not have come.
    replay()
  elseif shown.executors:manager(update.session) == shown.session then
    follow_executor(update)
  elseif update.session == shown.session then
    if shown.fetching then
      table.insert(shown.later, update)
    elseif update.seq and update.seq > shown.seq + 1 then
      -- Something was missed while the server was away.
      replay()
    else
      take(update)
    end
  end
end)

client.on('gone', function()
  shown.fetching = false
  if is_open() and client.died then
    append({ ('*the server has ended (%s): :BoxAgnts restart*'):format(client.died) }, true)
  end
end)

-- Tool calls and thoughts are folded below their line.
function M.fold(row)
  local line, below = vim.fn.getline(row), vim.fn.getline(row + 1)
  if line:sub(1, #'│') == '│' then
    return '1'
  end
  return below:sub(1, #'│') == '│' and '>1' or '0'
end

function M.fold_text()
  local lines = vim.v.foldend - vim.v.foldstart
  return ('%s  (%s)'):format(vim.fn.getline(vim.v.foldstart), session.plural(lines, 'line'))
end

local function make()
  buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, 'boxagnts://chat')
  vim.bo[buffer].bufhidden = 'hide'
  vim.bo[buffer].filetype = 'markdown'
  vim.bo[buffer].modifiable = false
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buffer, desc = 'BoxAgnts: Close the chat' })
end

-- Shows it at the side; the cursor stays where it is.
function M.open()
  if not is_open() then
    make()
    begin()
  end
  if #windows() > 0 then
    return
  end
  local own, previous = vim.api.nvim_get_current_win(), vim.fn.win_getid(vim.fn.winnr '#')
  vim.cmd 'botright vertical split'
  local window = vim.api.nvim_get_current_win()
  vim.api.nvim_win_set_buf(window, buffer)
  vim.api.nvim_win_set_width(window, math.min(config.options.chat_width, math.floor(vim.o.columns / 2)))
  local options = {
    wrap = true, linebreak = true, number = false, relativenumber = false, list = false, spell = false,
    signcolumn = 'no', foldcolumn = '0', winfixwidth = true, foldmethod = 'expr', foldlevel = 0,
    foldexpr = "v:lua.require'boxagnts.chat'.fold(v:lnum)", foldenable = true,
    foldtext = "v:lua.require'boxagnts.chat'.fold_text()",
  }
  for name, value in pairs(options) do
    vim.wo[name] = value
  end
  vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
  -- For `CTRL-W p` nothing has happened.
  vim.api.nvim_set_current_win(previous ~= 0 and previous or own)
  vim.api.nvim_set_current_win(own)
end

-- Its text, for those who want it elsewhere.
function M.lines()
  flush()
  return is_open() and vim.api.nvim_buf_get_lines(buffer, 0, -1, false) or {}
end

return M
