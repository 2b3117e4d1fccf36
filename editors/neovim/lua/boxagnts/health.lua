-- `:checkhealth boxagnts`: what is there, what is missing, and what to do.

local M = {}

local health = vim.health or require 'health'
local start = health.start or health.report_start
local ok = health.ok or health.report_ok
local warn = health.warn or health.report_warn
local bad = health.error or health.report_error
local info = health.info or health.report_info

local function version()
  local found = vim.version()
  return ('%d.%d.%d'):format(found.major, found.minor, found.patch)
end

local function check_editor()
  if vim.fn.has 'nvim-0.9' == 1 then
    ok('Neovim ' .. version())
  elseif vim.fn.has 'nvim-0.7' == 1 then
    warn(('Neovim %s: questions of the server are numbered lists, also while you type, and it shows no '
      .. 'document by itself'):format(version()), { 'Neovim 0.9 or later has neither limit' })
  else
    bad(('Neovim %s is too old'):format(version()), { 'use 0.9 or later; 0.7 will do' })
  end
end

local function check_server(client)
  local command, why = client.command()
  if not command then
    return bad(why, { 'cargo install --locked --path server/cli, in a clone of BoxAgnts' })
  end
  local said = vim.fn.systemlist { command[1], '--version' }
  if vim.v.shell_error ~= 0 then
    return bad(('`%s --version` fails: %s'):format(command[1], said[1] or ''), { 'is it BoxAgnts?' })
  end
  ok(('%s (%s)'):format(said[1] or '', vim.fn.exepath(command[1])))
  info('Workspace: ' .. client.root())
  info('Log: ' .. client.log())
  if client.ready then
    ok 'The server runs'
  elseif client.died then
    bad(('The server has ended (%s)'):format(client.died), { ':BoxAgnts restart' })
  else
    info 'The server does not run; it starts with the first :BoxAgnts'
  end
  if not command[2] or command[2] ~= 'lsp' then
    return
  end
  -- What the program finds wrong with its surroundings.
  local found = vim.fn.systemlist { command[1], 'doctor' }
  if vim.v.shell_error == 0 then
    return ok '`boxagnts doctor` finds nothing wrong'
  end
  bad('`boxagnts doctor` finds something wrong', found)
end

function M.check()
  start 'BoxAgnts'
  check_editor()
  local loaded, client = pcall(require, 'boxagnts.client')
  if not loaded then
    return bad(tostring(client), { 'is all of editors/neovim on the runtime path?' })
  end
  check_server(client)
end

return M
