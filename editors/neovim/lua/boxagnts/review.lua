-- One buffer with everything that waits, in all files, as a diff. Decisions are made in it as in the
-- files themselves.

local keymaps = require 'boxagnts.keymaps'
local marks = require 'boxagnts.marks'
local proposal = require 'boxagnts.proposal'
local session = require 'boxagnts.session'

local M = {}

local NAME = 'boxagnts://review'
local namespace = vim.api.nvim_create_namespace 'boxagnts-review'
local buffer
-- What each row is about: its file, and its hunk below the file's name.
local about = {}

local function is_open()
  return buffer and vim.api.nvim_buf_is_valid(buffer)
end

local KINDS = { create = 'new', delete = 'deleted', rename = 'moved' }

local function render()
  local lines, colours = {}, {}
  about = {}
  local function add(line, group, file, hunk)
    -- What comes from elsewhere may have line breaks of its own.
    table.insert(lines, (line:gsub('[\r\n]', ' ')))
    about[#lines] = { file = file, hunk = hunk }
    if group then
      table.insert(colours, { #lines - 1, group })
    end
  end
  local here = session.of()
  local state = here and (here.state == 'running' and ', still at work' or '') or ''
  local count = #proposal.hunks()
  add(('BoxAgnts: %s in %s%s'):format(
    session.plural(count, 'hunk'),
    session.plural(#proposal.files, 'file'),
    count > 0 and ' for you to decide on' .. state or state
  ), 'BoxAgntsHint')
  for _, file in ipairs(proposal.files) do
    add('')
    local kind = KINDS[file.kind] and (' (%s%s)'):format(KINDS[file.kind], file.from and ' from ' .. file.from or '') or ''
    add(file.path .. kind, 'Title', file)
    for _, hunk in ipairs(file.hunks) do
      local conflict = hunk.state == 'conflicted' and ', conflicts with your text' or ''
      local note = hunk.note and ', ' .. hunk.note or ''
      add(('@@ %s line %d%s%s @@'):format(hunk.id, hunk.range.start.line + 1, conflict, note),
        conflict ~= '' and 'BoxAgntsConflict' or 'BoxAgntsSign', file, hunk)
      for _, side in ipairs { { '-', hunk.old_text, 'BoxAgntsDelete' }, { '+', hunk.new_text, 'BoxAgntsAdd' } } do
        for _, line in ipairs(marks.lines(side[2])) do
          add(side[1] .. line, side[3], file, hunk)
        end
      end
      if hunk.live_text then
        add('  your text is by now:', 'BoxAgntsHint', file, hunk)
        for _, line in ipairs(marks.lines(hunk.live_text)) do
          add(' ' .. line, nil, file, hunk)
        end
      end
    end
  end
  return lines, colours
end

-- The row of a hunk, else of the one that took its place.
local function row_of(id, otherwise)
  for row, what in ipairs(about) do
    if what.hunk and what.hunk.id == id then
      return row
    end
  end
  for row = math.min(otherwise, #about), 1, -1 do
    if about[row].hunk and (row == 1 or about[row - 1].hunk ~= about[row].hunk) then
      return row
    end
  end
  return 1
end

local function draw()
  if not is_open() then
    return
  end
  local places = {}
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local row = vim.api.nvim_win_get_cursor(window)[1]
    local what = about[row]
    places[window] = { what and what.hunk and what.hunk.id, row }
  end
  local lines, colours = render()
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  for _, colour in ipairs(colours) do
    vim.api.nvim_buf_set_extmark(buffer, namespace, colour[1], 0, { line_hl_group = colour[2] })
  end
  for window, place in pairs(places) do
    vim.api.nvim_win_set_cursor(window, { row_of(place[1], place[2]), 0 })
  end
end

-- Whether a buffer is this one.
function M.is(other)
  return is_open() and buffer == other
end

-- Hunks in these rows, or of the whole file where a row is its name.
function M.between(from, to)
  local ids, seen = {}, {}
  for row = from, to do
    local what = about[row] or {}
    local hunks = what.hunk and { what.hunk } or (what.file or {}).hunks or {}
    for _, hunk in ipairs(hunks) do
      if not seen[hunk.id] then
        seen[hunk.id] = true
        table.insert(ids, hunk.id)
      end
    end
  end
  return ids
end

-- The file of a row.
function M.file(row)
  return (about[row] or {}).file
end

-- The next hunk in this buffer.
function M.jump(forward)
  local row = vim.api.nvim_win_get_cursor(0)[1]
  local now = (about[row] or {}).hunk
  local step = forward and 1 or -1
  local target
  for candidate = row + step, forward and #about or 1, step do
    local hunk = about[candidate].hunk
    if hunk and hunk ~= now then
      target = target or hunk
      if hunk == target then
        row = candidate
        -- Backwards, up to where it begins.
        if forward then
          break
        end
      elseif target then
        break
      end
    end
  end
  if target then
    vim.api.nvim_win_set_cursor(0, { row, 0 })
  end
end

local function open_file()
  local what = about[vim.api.nvim_win_get_cursor(0)[1]] or {}
  if not what.file then
    return
  end
  local own = vim.api.nvim_get_current_win()
  vim.cmd 'wincmd p'
  if vim.api.nvim_get_current_win() == own or vim.bo.buftype ~= '' then
    vim.cmd 'aboveleft split'
  end
  marks.open(vim.uri_to_fname(what.file.uri), what.hunk and what.hunk.id)
end

local function make()
  buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, NAME)
  vim.bo[buffer].bufhidden = 'hide'
  vim.bo[buffer].filetype = 'boxagnts-review'
  vim.bo[buffer].modifiable = false
  keymaps.map(buffer)
  local function map(keys, action, desc)
    vim.keymap.set('n', keys, action, { buffer = buffer, desc = 'BoxAgnts: ' .. desc })
  end
  map('<CR>', open_file, 'Open the file at this hunk')
  map('q', '<Cmd>close<CR>', 'Close the review')
end

-- Shows it, at its first hunk.
function M.open()
  if not is_open() then
    make()
  end
  local window = vim.fn.win_findbuf(buffer)[1]
  if window then
    vim.api.nvim_set_current_win(window)
  else
    vim.cmd 'botright split'
    vim.api.nvim_win_set_buf(0, buffer)
    vim.wo.number, vim.wo.relativenumber, vim.wo.wrap = false, false, false
  end
  marks.highlights()
  draw()
  for row, what in ipairs(about) do
    if what.hunk then
      return vim.api.nvim_win_set_cursor(0, { row, 0 })
    end
  end
end

proposal.on(draw)
session.on(function(update)
  if update and update.event == 'turn_ended' then
    draw()
  end
end)

return M
