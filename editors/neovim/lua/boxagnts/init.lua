-- BoxAgnts in Neovim: a client of the language server `boxagnts lsp`, which decides everything.
--
--   require('boxagnts').setup {}       options: :help boxagnts-options
--   :BoxAgnts ask rename total to sum

local config = require 'boxagnts.config'
local client = require 'boxagnts.client'
local executors = require 'boxagnts.executors'
local session = require 'boxagnts.session'
local proposal = require 'boxagnts.proposal'
local marks = require 'boxagnts.marks'
local review = require 'boxagnts.review'
local chat = require 'boxagnts.chat'

local M = {}

local function warn(message)
  client.say(message, vim.log.levels.WARN)
end

-- Runs a command of the server about the current session.
local function with_session(command, argument, done)
  if not session.current then
    return warn 'there is no session yet: :BoxAgnts ask, or :BoxAgnts sessions'
  end
  argument = argument or {}
  argument.session = session.current
  client.request(command, argument, done)
end

-- What the editor knows to be wrong, as the protocol has it.
local function diagnostics()
  local all = {}
  for _, found in ipairs(vim.diagnostic.get()) do
    local name = vim.api.nvim_buf_get_name(found.bufnr)
    if name ~= '' and found.source ~= 'boxagnts' then
      table.insert(all, {
        uri = vim.uri_from_bufnr(found.bufnr),
        range = {
          start = { line = found.lnum, character = found.col },
          ['end'] = { line = found.end_lnum or found.lnum, character = found.end_col or found.col },
        },
        severity = found.severity,
        source = found.source,
        message = found.message,
      })
    end
  end
  return all
end

-- Asks for something. `options`: `range` is a first and a last line, or a range of the protocol;
-- `new` begins a session; `busy` is what is done while a turn runs: `steer` (as without) has the model
-- hear it at once, `queue` lets it wait, `interrupt` ends that turn.
function M.ask(prompt, options)
  options = options or {}
  local argument = { prompt = prompt }
  if not options.new and session.current then
    argument.session, argument.whenBusy = session.current, options.busy or 'steer'
  end
  if vim.bo.buftype == '' and vim.api.nvim_buf_get_name(0) ~= '' then
    argument.textDocument = { uri = vim.uri_from_bufnr(0) }
    local range = options.range
    if range and range.start then
      argument.range = range
    elseif range then
      argument.range = {
        start = { line = range[1] - 1, character = 0 },
        ['end'] = { line = range[2], character = 0 },
      }
    end
  end
  if prompt:find('@diagnostics', 1, true) then
    argument.diagnostics = diagnostics()
  end
  client.request('boxagnts.ask', argument, function(result)
    if session.current ~= result.session then
      session.choose(result.session)
    end
    if result.taken == 'steers' then
      client.say 'the model hears it in the turn that runs'
    elseif result.taken == 'queued' then
      client.say 'it waits for the end of the turn'
    end
    if config.options.chat then
      chat.open()
    end
  end)
end

-- Shows everything that waits.
function M.review()
  if not session.current then
    return M.resume(nil, M.review)
  end
  proposal.refresh(nil, function()
    if #proposal.files == 0 then
      return client.say 'nothing waits'
    end
    review.open()
  end)
end

-- The same as a quickfix list.
function M.quickfix()
  if not session.current then
    return with_session()
  end
  proposal.refresh(nil, function()
    local items = {}
    for _, waiting in ipairs(proposal.hunks()) do
      local hunk = waiting.hunk
      local text = (hunk.new_text ~= '' and hunk.new_text or hunk.old_text):match '[^\n]*'
      table.insert(items, {
        filename = vim.uri_to_fname(waiting.file.uri),
        lnum = hunk.range.start.line + 1,
        text = ('%s %s: %s%s'):format(
          hunk.id, hunk.state, hunk.note or text, hunk.executor and (' (%s)'):format(hunk.executor) or ''
        ),
      })
    end
    vim.fn.setqflist({}, ' ', { title = 'BoxAgnts ' .. session.current, items = items })
    vim.cmd(#items > 0 and 'copen' or 'cclose')
  end)
end

-- To the next or the previous hunk.
function M.jump(forward)
  if review.is(vim.api.nvim_get_current_buf()) then
    review.jump(forward)
  else
    marks.jump(forward)
  end
end

-- What is meant by words and lines: `all`, `file`, ids of hunks, else the hunks in these lines of the
-- current buffer. Calls `done` with it.
local function choose(words, lines, done)
  if words[1] == 'all' then
    return done { all = true }
  elseif words[1] and words[1] ~= 'file' then
    return done { hunks = words }
  end
  local buffer, row = vim.api.nvim_get_current_buf(), vim.api.nvim_win_get_cursor(0)[1]
  local from, to = row, row
  if lines then
    from, to = lines[1], lines[2]
  end
  if words[1] == 'file' then
    local file = review.is(buffer) and review.file(row) or proposal.of_file(vim.api.nvim_buf_get_name(buffer))
    if not file then
      return warn 'nothing waits in this file'
    end
    return done { files = { file.uri } }
  end
  local function decide()
    local ids = review.is(buffer) and review.between(from, to) or marks.between(buffer, from - 1, to - 1)
    if #ids == 0 then
      return warn 'no hunk waits here'
    end
    done { hunks = ids }
  end
  if review.is(buffer) then
    return decide()
  end
  -- About the text as it is now.
  proposal.refresh(vim.uri_from_bufnr(buffer), decide)
end

-- Accepts hunks: `all`, `file`, ids; without words the hunk under the cursor, or those in `lines`.
function M.accept(words, lines)
  if not session.current then
    return with_session()
  end
  choose(words or {}, lines, function(argument)
    with_session('boxagnts.accept', argument)
  end)
end

-- Rejects hunks, and tells the model why in its next turn.
function M.reject(words, lines, comment)
  if not session.current then
    return with_session()
  end
  choose(words or {}, lines, function(argument)
    argument.comment = comment
    with_session('boxagnts.reject', argument)
  end)
end

function M.reject_with_comment()
  vim.ui.input({ prompt = 'Why not? ' }, function(comment)
    if comment and comment ~= '' then
      M.reject({}, nil, comment)
    end
  end)
end

-- The hunk that an id names, or the one under the cursor.
local function one(id, done)
  choose(id and { id } or {}, nil, function(argument)
    for _, waiting in ipairs(proposal.hunks()) do
      if waiting.hunk.id == (argument.hunks or {})[1] then
        return done(waiting.hunk, waiting.file)
      end
    end
    warn(('no hunk `%s` waits'):format(id or 'here'))
  end)
end

-- Opens what a hunk would put there; writing that buffer amends the hunk.
function M.amend(id)
  one(id, function(hunk, file)
    vim.cmd 'botright 12new'
    local buffer = vim.api.nvim_get_current_buf()
    vim.api.nvim_buf_set_name(buffer, ('boxagnts://amend/%s'):format(hunk.id))
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, marks.lines(hunk.new_text))
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.swapfile, vim.bo.modified = 'acwrite', 'wipe', false, false
    if vim.fn.has 'nvim-0.8' == 1 then
      vim.bo.filetype = vim.filetype.match { filename = file.path } or ''
    end
    vim.api.nvim_create_autocmd('BufWriteCmd', {
      buffer = buffer,
      callback = function()
        local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n') .. '\n'
        with_session('boxagnts.amend', { hunk = hunk.id, text = text }, function()
          vim.bo[buffer].modified = false
          client.say(hunk.id .. ' proposes your text')
          proposal.refresh()
        end)
      end,
    })
  end)
end

-- Makes several hunks of one.
function M.split(id)
  one(id, function(hunk)
    with_session('boxagnts.split', { hunk = hunk.id }, function()
      proposal.refresh()
    end)
  end)
end

-- Rejected hunks wait again.
function M.repropose(ids)
  with_session('boxagnts.repropose', { hunks = ids }, function()
    proposal.refresh()
  end)
end

-- Takes back what was accepted last, in this session or in any.
function M.undo(checkpoint)
  client.request('boxagnts.undo', { checkpoint = checkpoint, session = not checkpoint and session.current or nil })
end

-- Chooses a batch that was applied, and takes back everything since.
function M.checkpoints()
  client.request('boxagnts.checkpoints', { limit = 50 }, function(checkpoints)
    local choice = {
      prompt = 'Take back everything since',
      format_item = function(entry)
        local when = os.date('%Y-%m-%d %H:%M', math.floor(entry.at_ms / 1000))
        return ('%s  %s%s'):format(when, entry.label, entry.undone and ' (taken back)' or '')
      end,
    }
    if #checkpoints == 0 then
      return client.say 'nothing was accepted yet'
    end
    vim.ui.select(checkpoints, choice, function(entry)
      if entry then
        client.request('boxagnts.restore', { checkpoint = entry.checkpoint })
      end
    end)
  end)
end

-- Stops what runs: the turn, `executors` of the session, or the `executor` that its user chooses.
function M.cancel(what)
  if not what then
    return with_session 'boxagnts.cancel'
  end
  local active = session.current and session.executors:active(session.current) or {}
  if #active == 0 then
    return client.say 'no executor is at work'
  end
  local function cancel(executor)
    with_session('boxagnts.cancelExecutor', { executor = executor and executor.id })
  end
  if what == 'executors' then
    return cancel()
  elseif #active == 1 then
    return cancel(active[1])
  end
  local choice = { prompt = 'Cancel which executor?', format_item = executors.describe }
  vim.ui.select(active, choice, function(executor)
    if executor then
      cancel(executor)
    end
  end)
end

-- Has the model sum up a conversation that became long.
function M.compact(focus)
  with_session('boxagnts.compact', { focus = focus })
end

-- Goes on with a session: the one that is given, or the latest of the folder.
function M.resume(id, done)
  local function resume(chosen)
    session.resume(chosen, function(resumed)
      client.say(resumed.state == 'review' and session.waits(resumed) .. ' for you to decide on' or 'nothing waits')
      if config.options.chat then
        chat.open()
      end
      if done then
        done()
      end
    end)
  end
  if id then
    return resume(id)
  end
  client.request('boxagnts.sessions', nil, function(sessions)
    if not sessions[1] then
      return warn 'there is no session in this folder yet: :BoxAgnts ask'
    end
    resume(sessions[1].session)
  end)
end

-- Chooses a session of the folder and goes on with it.
function M.sessions()
  client.request('boxagnts.sessions', nil, function(sessions)
    if #sessions == 0 then
      return warn 'there is no session in this folder yet: :BoxAgnts ask'
    end
    local choice = {
      prompt = 'Go on with',
      format_item = function(entry)
        local when = os.date('%Y-%m-%d %H:%M', math.floor(entry.updated_ms / 1000))
        local title = (entry.title:gsub('[\r\n]+', ' '))
        return ('%s %s  %s'):format(entry.session == session.current and '*' or ' ', when, title)
      end,
    }
    vim.ui.select(sessions, choice, function(entry)
      if entry then
        M.resume(entry.session)
      end
    end)
  end)
end

-- A new session with the past of this one, up to and with a turn.
function M.fork(turn)
  with_session('boxagnts.fork', { turn = turn }, function(fork)
    M.resume(fork.session)
  end)
end

function M.rename(title)
  with_session('boxagnts.rename', { title = title }, function(renamed)
    client.say('the session is now called: ' .. renamed.title)
  end)
end

-- Removes the current session from the journal, once the user says so.
function M.delete()
  local id = session.current
  if not id then
    return with_session()
  end
  local choice = { prompt = 'Remove this session and what it proposes?' }
  vim.ui.select({ 'Keep it', 'Remove it' }, choice, function(answer)
    if answer == 'Remove it' then
      client.request('boxagnts.deleteSession', { session = id }, function()
        if session.current == id then
          session.choose(nil)
        end
        client.say 'the session is removed; your files are as they were'
      end)
    end
  end)
end

-- What was used, by day, session or model.
function M.usage(by)
  client.request('boxagnts.usage', { by = by or 'day' }, function(usage)
    local lines = {}
    for _, row in ipairs(usage.rows) do
      local cost = row.cost_usd and ('$%.4f'):format(row.cost_usd) or 'no known price'
      table.insert(lines, ('%s: %d calls, %s'):format(row.title or row.key, row.calls, cost))
    end
    client.say(#lines > 0 and table.concat(lines, '\n') or 'nothing was used yet')
  end)
end

-- The whole proposal as a patch file; writing it amends the proposal.
function M.patch()
  with_session('boxagnts.showPatch', nil, function(shown)
    -- Later versions show it by themselves when the server asks for it.
    local can = client.capabilities().window.showDocument
    if not (can and can.support) then
      vim.cmd('split ' .. vim.fn.fnameescape(vim.uri_to_fname(shown.uri)))
    end
  end)
end

-- Commits what the session proposes to a new branch; nothing is checked out. Without a message it has the
-- session's title.
function M.branch(name, message)
  with_session('boxagnts.commitToBranch', { branch = name, message = message }, function(made)
    local left_out = made.leftOut or {}
    local lines = {
      ('%s is at commit %s, with %s'):format(made.branch, made.commit:sub(1, 12), session.plural(made.files, 'file')),
    }
    for _, reason in ipairs(left_out) do
      table.insert(lines, 'left out: ' .. reason)
    end
    client.say(table.concat(lines, '\n'), #left_out > 0 and vim.log.levels.WARN or nil)
  end)
end

function M.chat()
  if not session.current then
    return M.resume()
  end
  chat.open()
end

function M.restart()
  client.restart()
end

-- For a status line.
M.statusline = session.statusline

-- The LSP client's id, while there is one.
function M.client_id()
  return client.id
end

-- What a prompt may begin with, as far as the server has told it by now.
local prompt_commands = {}
function M.prompt_commands()
  return prompt_commands
end
client.on('ready', function()
  client.request('boxagnts.commands', nil, function(commands)
    prompt_commands = vim.tbl_map(function(command)
      return '/' .. command.name
    end, commands)
  end, function() end)
end)

-- Runs once, with the options of setup or without.
local begun = false
local function begin()
  if begun then
    return
  end
  begun = true
  local group = vim.api.nvim_create_augroup('boxagnts', {})
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile', 'BufFilePost' }, {
    group = group,
    callback = function(event)
      client.attach(event.buf)
    end,
  })
  vim.api.nvim_create_autocmd('VimLeavePre', { group = group, callback = client.leave })
  marks.watch(group)
end

function M.setup(options)
  config.set(options)
  begin()
  if config.options.autostart then
    client.start()
  end
end

begin()

return M
