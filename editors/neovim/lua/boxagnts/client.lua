-- The language server's life: found, started, asked, missed when it dies, started again.

local config = require 'boxagnts.config'
local handlers = require 'boxagnts.handlers'

local M = {
  -- The client that runs or starts.
  id = nil,
  ready = false,
  -- How the server ended that nobody had told to.
  died = nil,
}

-- What is sent once the server is there.
local waiting = {}
-- Told when the server is there, and when it is gone.
local listeners = { ready = {}, gone = {} }
local leaving = false

local function say(message, level)
  vim.notify('BoxAgnts: ' .. message, level or vim.log.levels.INFO)
end
M.say = say

function M.on(event, listener)
  table.insert(listeners[event], listener)
end

local function tell(event)
  for _, listener in ipairs(listeners[event]) do
    listener()
  end
end

-- The server's command, or nil and what to do.
function M.command()
  local given = config.options.cmd
  if given then
    if vim.fn.executable(given[1]) == 1 then
      return given
    end
    return nil, ('cannot run `%s`, which the option `cmd` names; mend it or leave it out'):format(given[1])
  end
  for _, program in ipairs { 'boxagnts', vim.fn.expand '~/.cargo/bin/boxagnts' } do
    if vim.fn.executable(program) == 1 then
      return { program, 'lsp' }
    end
  end
  return nil,
    'there is no program `boxagnts` on your PATH or in ~/.cargo/bin; install it, or name it: '
      .. "require('boxagnts').setup { cmd = { '/path/to/boxagnts', 'lsp' } }"
end

function M.root()
  if config.options.root_dir then
    return config.options.root_dir
  end
  local git = vim.fn.finddir('.git', vim.fn.getcwd() .. ';')
  if git == '' then
    -- A worktree has a file there.
    git = vim.fn.findfile('.git', vim.fn.getcwd() .. ';')
    return git ~= '' and vim.fn.fnamemodify(git, ':p:h') or vim.fn.getcwd()
  end
  return vim.fn.fnamemodify(git, ':p:h:h')
end

-- What Neovim can do, and what this plugin does for it.
function M.capabilities()
  local all = vim.lsp.protocol.make_client_capabilities()
  -- It can do this, and does not say so: edits come with the version that they are made for.
  all.workspace.workspaceEdit.documentChanges = true
  if config.options.marks then
    -- It can show lenses, and marks of our own are better than diagnostics at hunks.
    all.textDocument.codeLens = { dynamicRegistration = false }
  end
  all.experimental = {
    boxagnts = {
      review = not config.options.questions,
      questions = handlers.questions_take_time,
    },
  }
  return all
end

function M.log()
  return vim.lsp.get_log_path and vim.lsp.get_log_path() or vim.lsp.log.get_filename()
end

local function ended(id, code, signal)
  if id ~= M.id then
    return
  end
  local was_ready, expected = M.ready, M.stopping
  M.id, M.ready, M.stopping, waiting = nil, false, nil, {}
  if expected or leaving then
    return tell 'gone'
  end
  M.died = signal ~= 0 and ('signal %d'):format(signal) or ('exit code %d'):format(code)
  tell 'gone'
  if was_ready then
    say(
      ('the server has ended (%s). Your files are as you see them; hunks are kept. :BoxAgnts restart'):format(M.died),
      vim.log.levels.ERROR
    )
  else
    say(
      ('the server does not start (%s): `boxagnts doctor` may tell why; its words: %s'):format(M.died, M.log()),
      vim.log.levels.ERROR
    )
  end
end

local function is_file(buffer)
  return vim.api.nvim_buf_is_loaded(buffer)
    and vim.bo[buffer].buftype == ''
    and vim.api.nvim_buf_get_name(buffer) ~= ''
end

-- The server sees the text of buffers that are attached, saved or not.
function M.attach(buffer)
  if M.id and is_file(buffer) then
    vim.lsp.buf_attach_client(buffer, M.id)
  end
end

local function attach_all()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    M.attach(buffer)
  end
end

-- Starts the server unless it runs. Whether there is one.
function M.start()
  if M.id then
    return true
  end
  local command, why = M.command()
  if not command then
    say(why, vim.log.levels.ERROR)
    return false
  end
  local root = M.root()
  local own
  local client = {
    name = 'boxagnts',
    cmd = command,
    capabilities = M.capabilities(),
    -- Edits are made for the text of now, not for that of a moment ago.
    flags = { debounce_text_changes = 0 },
    root_dir = root,
    workspace_folders = { { uri = vim.uri_from_fname(root), name = 'workspace' } },
    init_options = config.options.settings,
    handlers = vim.tbl_extend('force', handlers.all, config.options.handlers or {}),
    on_init = function()
      -- Neovim tells of open buffers first.
      vim.schedule(function()
        if own ~= M.id then
          return
        end
        M.ready, M.died = true, nil
        local now = waiting
        waiting = {}
        tell 'ready'
        for _, request in ipairs(now) do
          M.request(unpack(request, 1, 4))
        end
      end)
    end,
    on_exit = function(code, signal, id)
      vim.schedule(function()
        ended(id, code, signal)
      end)
    end,
  }
  if vim.fn.has 'nvim-0.11' == 1 then
    own = vim.lsp.start(client, { attach = false, reuse_client = function() return false end })
  else
    own = vim.lsp.start_client(client)
  end
  if not own then
    say('the server does not start: ' .. M.log(), vim.log.levels.ERROR)
    return false
  end
  M.id = own
  attach_all()
  return true
end

-- Ends the server; `done` is called once it is gone.
function M.stop(done)
  local client = M.id and vim.lsp.get_client_by_id(M.id)
  if not client then
    M.id, M.ready = nil, false
    return done and done()
  end
  M.stopping = true
  if vim.fn.has 'nvim-0.11' == 1 then
    client:stop()
  else
    client.stop()
  end
  local tries = 0
  local function look()
    tries = tries + 1
    if not M.id then
      return done and done()
    elseif tries == 40 then
      -- It had two seconds.
      if vim.fn.has 'nvim-0.11' == 1 then
        client:stop(true)
      else
        client.stop(true)
      end
    end
    vim.defer_fn(look, 50)
  end
  look()
end

function M.restart()
  M.stop(M.start)
end

-- Runs a command of the server, which is started where it does not run. A server that died is started
-- by its user: what is asked then may be about text that is no longer there. `done` gets the result;
-- an error is told to `failed`, or shown where nobody wants to hear of it.
function M.request(command, argument, done, failed)
  if M.died and not M.id then
    return say(('the server has ended (%s): :BoxAgnts restart'):format(M.died), vim.log.levels.ERROR)
  elseif not M.start() then
    return
  elseif not M.ready then
    return table.insert(waiting, { command, argument, done, failed })
  end
  local client = vim.lsp.get_client_by_id(M.id)
  local params = { command = command, arguments = argument and { argument } or nil }
  local function answer(err, result)
    if err then
      local why = err.message or tostring(err)
      if failed then
        failed(why)
      else
        say(why, vim.log.levels.ERROR)
      end
    elseif done then
      done(result)
    end
  end
  -- Without a buffer, pending changes of all buffers are sent first: the answer is about the text
  -- that the user sees.
  if vim.fn.has 'nvim-0.11' == 1 then
    client:request('workspace/executeCommand', params, answer)
  else
    client.request('workspace/executeCommand', params, answer)
  end
end

function M.leave()
  leaving = true
end

return M
