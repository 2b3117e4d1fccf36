-- Mappings of buffers in which hunks wait. They come and go with the hunks, and what the user had
-- mapped in the buffer comes back.

local config = require 'boxagnts.config'

local M = {}

-- By buffer: the user's mappings by the name of ours, `false` where there was none.
local before = {}

local function actions()
  local boxagnts = require 'boxagnts'
  return {
    next = { 'Next hunk', function() boxagnts.jump(true) end },
    previous = { 'Previous hunk', function() boxagnts.jump(false) end },
    accept = { 'Accept the hunk', function() boxagnts.accept {} end },
    reject = { 'Reject the hunk', function() boxagnts.reject {} end },
    comment = { 'Reject the hunk, and say why', boxagnts.reject_with_comment },
    accept_file = { 'Accept the hunks of the file', function() boxagnts.accept { 'file' } end },
    reject_file = { 'Reject the hunks of the file', function() boxagnts.reject { 'file' } end },
  }
end

local function of_buffer(keys)
  local map = vim.fn.maparg(keys, 'n', false, true)
  return map.buffer == 1 and map or false
end

-- Maps keys in a buffer, as the options say.
function M.map(buffer)
  for name, action in pairs(actions()) do
    local keys = config.options.keymaps[name]
    if keys then
      vim.keymap.set('n', keys, action[2], { buffer = buffer, desc = 'BoxAgnts: ' .. action[1] })
    end
  end
end

function M.add(buffer)
  if before[buffer] then
    return
  end
  before[buffer] = {}
  vim.api.nvim_buf_call(buffer, function()
    for _, keys in pairs(config.options.keymaps) do
      if keys then
        before[buffer][keys] = of_buffer(keys)
      end
    end
  end)
  M.map(buffer)
end

function M.remove(buffer)
  local maps = before[buffer]
  before[buffer] = nil
  if not maps or not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  for keys, map in pairs(maps) do
    pcall(vim.keymap.del, 'n', keys, { buffer = buffer })
    if map then
      vim.api.nvim_buf_set_keymap(buffer, 'n', map.lhs, map.rhs or '', {
        callback = map.callback,
        expr = map.expr == 1,
        noremap = map.noremap == 1,
        nowait = map.nowait == 1,
        script = map.script == 1,
        silent = map.silent == 1,
      })
    end
  end
end

return M
