-- Hunks that wait, in the buffers of their files: lines that would go are highlighted, lines that
-- would come are shown below them, and neither is in the text before it is accepted.

local client = require 'boxagnts.client'
local config = require 'boxagnts.config'
local proposal = require 'boxagnts.proposal'
local keymaps = require 'boxagnts.keymaps'

local M = {}

local namespace = vim.api.nvim_create_namespace 'boxagnts'
-- Lines of one hunk that have signs.
local MOST_SIGNS = 500

-- By buffer: hunks by the extmarks that stand for them.
local drawn = {}
-- Buffers whose changes are heard of.
local followed = {}

function M.highlights()
  for name, link in pairs {
    BoxAgntsAdd = 'DiffAdd',
    BoxAgntsDelete = 'DiffDelete',
    BoxAgntsConflict = 'WarningMsg',
    BoxAgntsHint = 'Comment',
    BoxAgntsSign = 'Special',
  } do
    vim.api.nvim_set_hl(0, name, { link = link, default = true })
  end
end

-- The lines of a text.
function M.lines(text)
  local lines = vim.split(text, '\n', { plain = true })
  if lines[#lines] == '' then
    table.remove(lines)
  end
  return lines
end

-- Lines that a hunk would put there, as virtual lines of equal width.
local function virtual(hunk, buffer)
  local lines = M.lines(hunk.new_text)
  local most = config.options.mark_lines
  local left = #lines - most
  if left > 1 then
    lines = vim.list_slice(lines, 1, most)
    table.insert(lines, ('… %d more lines: :BoxAgnts review'):format(left))
  end
  local tab = (' '):rep(vim.bo[buffer].tabstop)
  local width = 1
  for index, line in ipairs(lines) do
    lines[index] = line:gsub('\t', tab):gsub('\r$', '')
    width = math.max(width, vim.fn.strdisplaywidth(lines[index]))
  end
  local shown = {}
  for _, line in ipairs(lines) do
    local gap = (' '):rep(width - vim.fn.strdisplaywidth(line))
    table.insert(shown, { { line .. gap, 'BoxAgntsAdd' } })
  end
  return shown
end

local function hint(hunk)
  local conflict = hunk.state == 'conflicted'
  local text = hunk.id .. (conflict and ' conflicts with your text' or '')
  if hunk.note then
    text = text .. ' ' .. hunk.note
  end
  if hunk.executor then
    text = ('%s (%s)'):format(text, hunk.executor)
  end
  local keys = config.options.keymaps
  if config.options.hints and keys.accept and keys.reject then
    text = ('%s: %s accepts, %s rejects'):format(text, keys.accept, keys.reject)
  end
  return { { '  ' .. text, conflict and 'BoxAgntsConflict' or 'BoxAgntsHint' } }
end

local function mark(buffer, row, options)
  return vim.api.nvim_buf_set_extmark(buffer, namespace, row, 0, options)
end

-- Rows of a hunk: the first, and the one behind the last; the same where it only inserts.
local function rows(hunk, count)
  local first, behind = hunk.range.start.line, hunk.range['end'].line
  if hunk.range['end'].character > 0 then
    behind = behind + 1
  end
  return math.min(first, count), math.min(math.max(first, behind), count)
end

local function draw_hunk(buffer, hunk)
  local count = vim.api.nvim_buf_line_count(buffer)
  local first, behind = rows(hunk, count)
  -- Where the last line is the one before the insertion, that is where it hangs.
  local row = math.min(first, count - 1)
  local conflict = hunk.state == 'conflicted'
  -- A mark of several lines would have its sign on the line behind them, too.
  for line = row, math.max(row, math.min(behind, row + MOST_SIGNS) - 1) do
    mark(buffer, line, {
      sign_text = conflict and '!' or '┃',
      sign_hl_group = conflict and 'BoxAgntsConflict' or 'BoxAgntsSign',
    })
  end
  local options = { virt_text = hint(hunk) }
  if behind > first then
    options.end_row, options.end_col = behind, 0
    if not hunk.note then
      options.hl_group, options.hl_eol = 'BoxAgntsDelete', true
    end
  end
  drawn[buffer][mark(buffer, row, options)] = hunk.id
  local lines = virtual(hunk, buffer)
  if #lines == 0 then
    return 0
  elseif behind > first then
    mark(buffer, behind - 1, { virt_lines = lines })
  elseif first > 0 then
    mark(buffer, first - 1, { virt_lines = lines })
  else
    mark(buffer, 0, { virt_lines = lines, virt_lines_above = true })
    return #lines
  end
  return 0
end

-- Lines above the first one are shown only where the window makes room for them.
local function make_room(buffer, lines)
  for _, window in ipairs(lines > 0 and vim.fn.win_findbuf(buffer) or {}) do
    vim.api.nvim_win_call(window, function()
      if vim.fn.line 'w0' == 1 then
        vim.fn.winrestview { topline = 1, topfill = lines }
      end
    end)
  end
end

-- The server carries hunks over to what is typed, and to what other programs change in the buffer;
-- extmarks do as well as they can until then.
local function follow(buffer)
  if followed[buffer] then
    return
  end
  local function over()
    followed[buffer] = nil
  end
  followed[buffer] = vim.api.nvim_buf_attach(buffer, false, {
    on_lines = function()
      if not drawn[buffer] then
        over()
        return true
      end
      proposal.refresh_soon(vim.uri_from_bufnr(buffer))
    end,
    on_detach = over,
  })
end

-- Draws what waits in a buffer's file.
function M.draw(buffer)
  local file = config.options.marks and proposal.of_file(vim.api.nvim_buf_get_name(buffer))
  if not file and not drawn[buffer] then
    return
  end
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  drawn[buffer] = file and {} or nil
  if not file then
    return keymaps.remove(buffer)
  end
  M.highlights()
  follow(buffer)
  keymaps.add(buffer)
  local above = 0
  for _, hunk in ipairs(file.hunks) do
    above = math.max(above, draw_hunk(buffer, hunk))
  end
  make_room(buffer, above)
end

local function is_file(buffer)
  return vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buftype == ''
end

function M.draw_all(names)
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if is_file(buffer) and (not names or vim.tbl_contains(names, vim.api.nvim_buf_get_name(buffer))) then
      M.draw(buffer)
    end
  end
end

-- Where hunks are shown in a buffer: id, first row, last row.
local function places(buffer)
  local found = {}
  buffer = buffer == 0 and vim.api.nvim_get_current_buf() or buffer
  for _, extmark in ipairs(vim.api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { details = true })) do
    local id, row, _, details = unpack(extmark)
    if (drawn[buffer] or {})[id] then
      local last = math.max(row, (details.end_row or row + 1) - 1)
      table.insert(found, { id = drawn[buffer][id], first = row, last = last, inserts = not details.end_row })
    end
  end
  return found
end
M.places = places

-- The ids of hunks that are shown in these rows.
function M.between(buffer, from, to)
  local found, near = {}, {}
  for _, place in ipairs(places(buffer)) do
    if place.first <= to and place.last >= from then
      table.insert(found, place.id)
    elseif place.inserts and place.first == to + 1 then
      -- The lines that would come hang below the row before.
      table.insert(near, place.id)
    end
  end
  return #found > 0 and found or near
end

-- Moves to the next hunk, here or in another file of the proposal.
function M.jump(forward)
  local buffer, row = vim.api.nvim_get_current_buf(), vim.api.nvim_win_get_cursor(0)[1] - 1
  local best
  for _, place in ipairs(places(buffer)) do
    if forward and place.first > row and (not best or place.first < best) then
      best = place.first
    elseif not forward and place.first < row and (not best or place.first > best) then
      best = place.first
    end
  end
  if best then
    vim.cmd "normal! m'"
    return vim.api.nvim_win_set_cursor(0, { best + 1, 0 })
  end
  M.jump_to_file(forward, vim.api.nvim_buf_get_name(buffer))
end

-- Opens the next file that has hunks and is there, in the order of the proposal.
function M.jump_to_file(forward, from)
  local names, here = {}, nil
  for _, file in ipairs(proposal.files) do
    local name = vim.uri_to_fname(file.uri)
    if name == from or vim.fn.filereadable(name) == 1 then
      table.insert(names, name)
      here = name == from and #names or here
    end
  end
  local count = #names
  if count == 0 or (count == 1 and here) then
    return client.say 'no other hunk waits in a file; :BoxAgnts review shows all'
  end
  local target = here and (here + (forward and 0 or -2)) % count + 1 or (forward and 1 or count)
  M.open(names[target], forward and 'first' or 'last')
end

-- Opens a file at one of its hunks, given by its id, or the first or last one.
function M.open(name, which)
  if vim.fn.bufloaded(name) == 1 then
    vim.api.nvim_win_set_buf(0, vim.fn.bufnr(vim.fn.fnameescape(name)))
  else
    vim.cmd('edit ' .. vim.fn.fnameescape(name))
  end
  if not drawn[vim.api.nvim_get_current_buf()] then
    M.draw(vim.api.nvim_get_current_buf())
  end
  local found = places(0)
  local place = which == 'last' and found[#found] or found[1]
  for _, candidate in ipairs(found) do
    place = candidate.id == which and candidate or place
  end
  if place then
    vim.api.nvim_win_set_cursor(0, { place.first + 1, 0 })
  end
end

proposal.on(M.draw_all)

function M.watch(group)
  -- Reading a file anew takes its marks away; hiding it does not.
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
    group = group,
    callback = function(event)
      if is_file(event.buf) then
        M.draw(event.buf)
      end
    end,
  })
  vim.api.nvim_create_autocmd('BufWipeout', {
    group = group,
    callback = function(event)
      drawn[event.buf] = nil
    end,
  })
end

return M
