-- What the tests in Neovim share. `options` is set before.

local plugin = require 'boxagnts'
local updates, questions, said = {}, {}, {}
local answer = vim.NIL

options.on_update = function(update)
  table.insert(updates, update)
end
-- Whoever is asked answers by a title, or not at all.
vim.ui.select = function(items, choice, done)
  table.insert(questions, choice.prompt)
  for _, item in ipairs(items) do
    if (choice.format_item or tostring)(item):find(tostring(answer), 1, true) then
      return done(item)
    end
  end
  done(nil)
end
vim.fn.inputlist = function(lines)
  table.insert(questions, lines[1])
  for index = 3, #lines do
    if lines[index]:find(tostring(answer), 1, true) then
      return index - 2
    end
  end
  return 0
end
vim.notify = function(message)
  table.insert(said, message)
end

local function wait(what, condition)
  if not vim.wait(60000, condition, 20) then
    error(('waited in vain for %s: %s\n%s'):format(what, vim.inspect(updates), vim.inspect(said)))
  end
end

-- Whether something happened, so many times.
local function happened(event, times)
  return function()
    local count = 0
    for _, update in ipairs(updates) do
      count = count + (update.event == event and 1 or 0)
    end
    return count >= (times or 1)
  end
end

local function was_said(words)
  return function()
    return table.concat(said, '\n'):find(words, 1, true) ~= nil
  end
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n') .. '\n'
end

local function same(got, wanted)
  if not vim.deep_equal(got, wanted) then
    error(('got %s, wanted %s'):format(vim.inspect(got), vim.inspect(wanted)), 2)
  end
end

local function has(got, part)
  if not got:find(part, 1, true) then
    error(('%s is not in %s'):format(vim.inspect(part), got), 2)
  end
end

-- Hunks that are marked in a buffer, as "h1 at 2".
local function marked(buffer)
  return vim.tbl_map(function(place)
    return ('%s at %d'):format(place.id, place.first + 1)
  end, require('boxagnts.marks').places(buffer or 0))
end

local function wait_marked(wanted, buffer)
  wait('marks ' .. table.concat(wanted, ', '), function()
    return vim.deep_equal(marked(buffer), wanted)
  end)
end

-- What the marks of a buffer show below or above its lines, and behind them.
local function shown()
  local namespace = vim.api.nvim_get_namespaces().boxagnts
  local lines = {}
  for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
    for _, line in ipairs(mark[4].virt_lines or {}) do
      table.insert(lines, (line[1][1]:gsub('%s+$', '')))
    end
  end
  return lines
end

local function press(keys)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(keys, true, false, true), 'mtx', false)
end

local function chat()
  return table.concat(require('boxagnts.chat').lines(), '\n')
end

local function running()
  return require('boxagnts.client').ready
end

-- Kills the server as a machine without memory would.
local function kill_server()
  local children = ('/proc/%d/task/%d/children'):format(vim.fn.getpid(), vim.fn.getpid())
  for pid in vim.fn.readfile(children)[1]:gmatch '%d+' do
    local command = table.concat(vim.fn.readfile(('/proc/%s/cmdline'):format(pid)), ' ')
    if command:find('boxagnts', 1, true) then
      vim.loop.kill(tonumber(pid), 'sigkill')
    end
  end
end

-- Runs a test, with options of its own.
local function test(body, own)
  local ok, why = pcall(function()
    plugin.setup(vim.tbl_extend('force', options, own or {}))
    body()
  end)
  io.stderr:write(ok and 'TEST PASSED\n' or ('TEST FAILED: ' .. tostring(why) .. '\n'))
end
