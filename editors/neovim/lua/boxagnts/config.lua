-- Options, what they are when nobody says otherwise, and what is wrong with those that were given.

local M = {}

-- Each option: its type, and its default. The help file has a tag for each of them.
M.known = {
  cmd = { 'table' },
  settings = { 'table' },
  root_dir = { 'string' },
  autostart = { 'boolean', true },
  questions = { 'boolean', false },
  marks = { 'boolean', true },
  mark_lines = { 'number', 40 },
  hints = { 'boolean', true },
  chat = { 'boolean', true },
  chat_width = { 'number', 60 },
  keymaps = { 'table' },
  on_update = { 'function' },
  handlers = { 'table' },
}

-- Mappings of buffers in which hunks wait; `false` for none.
M.keymaps = {
  next = ']h',
  previous = '[h',
  accept = 'gha',
  reject = 'ghr',
  comment = 'ghc',
  accept_file = 'ghA',
  reject_file = 'ghR',
}

local function refuse(message)
  error('boxagnts.setup: ' .. message .. '; see :help boxagnts-options', 0)
end

local function names(known)
  local all = vim.tbl_keys(known)
  table.sort(all)
  return table.concat(all, ', ')
end

-- All options, each with a value or nil.
function M.read(given)
  local options = {}
  for name, option in pairs(M.known) do
    options[name] = option[2]
  end
  for name, value in pairs(given or {}) do
    local option = M.known[name]
    if not option then
      refuse(('there is no option `%s`; there are %s'):format(name, names(M.known)))
    elseif type(value) ~= option[1] then
      refuse(('`%s` must be a %s, not a %s'):format(name, option[1], type(value)))
    end
    options[name] = value
  end
  local keymaps = vim.deepcopy(M.keymaps)
  for name, keys in pairs(options.keymaps or {}) do
    if keymaps[name] == nil then
      refuse(('there is no mapping `%s`; there are %s'):format(name, names(M.keymaps)))
    elseif keys ~= false and (type(keys) ~= 'string' or keys == '') then
      refuse(('the mapping `%s` must be keys, or false'):format(name))
    end
    keymaps[name] = keys
  end
  options.keymaps = keymaps
  if options.cmd and (type(options.cmd[1]) ~= 'string' or options.cmd[1] == '') then
    refuse '`cmd` must be a list of a program and its arguments'
  end
  return options
end

M.options = M.read {}

function M.set(given)
  M.options = M.read(given)
end

return M
