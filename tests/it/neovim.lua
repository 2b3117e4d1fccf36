-- What the tests in Neovim share. `options` and `plugin` are set before.

local updates, questions = {}, {}
local answer = vim.NIL

options.on_update = function(update)
  table.insert(updates, update)
end
options.handlers = {
  ['window/showMessageRequest'] = function(_, params)
    table.insert(questions, params)
    if answer == vim.NIL then
      return vim.NIL
    end
    for _, action in ipairs(params.actions) do
      if action.title == answer then
        return action
      end
    end
  end,
  ['window/showMessage'] = function() end,
}

local function wait(what, condition)
  if not vim.wait(60000, condition, 20) then
    error('waited in vain for ' .. what .. ': ' .. vim.inspect(updates))
  end
end

local function happened(event)
  return function()
    for _, update in ipairs(updates) do
      if update.event == event then
        return true
      end
    end
  end
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n') .. '\n'
end

local function same(got, wanted)
  if got ~= wanted then
    error(('got %s, wanted %s'):format(vim.inspect(got), vim.inspect(wanted)))
  end
end

local function test(body)
  local ok, why = pcall(body)
  io.stderr:write(ok and 'TEST PASSED\n' or ('TEST FAILED: ' .. tostring(why) .. '\n'))
end

plugin.setup(options)
