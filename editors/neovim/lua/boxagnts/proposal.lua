-- The hunks of the current session that wait, as the server has them: fetched anew when it says that
-- they changed, or when the user has typed in a file that has some.

local client = require 'boxagnts.client'
local session = require 'boxagnts.session'

local M = {
  -- Files with hunks that wait, in the server's order.
  files = {},
}

-- Files in one answer.
local PAGE = 200
-- Updates and typing are let settle, in milliseconds.
local SETTLE = 100

local listeners = {}
-- What is to be fetched next: everything, or files by their URIs.
local wanted = { all = false, uris = {} }
local fetching, planned = false, false
-- Called when what is wanted now has come.
local done = {}

-- Hears when hunks changed; of all files, or of those with these names.
function M.on(listener)
  table.insert(listeners, listener)
end

local function key(file)
  return vim.uri_to_fname(file.uri)
end

-- What waits in a file, by its absolute name.
function M.of_file(name)
  for _, file in ipairs(M.files) do
    if key(file) == name then
      return file
    end
  end
end

-- All hunks that wait, each with its file, in order.
function M.hunks()
  local all = {}
  for _, file in ipairs(M.files) do
    for _, hunk in ipairs(file.hunks) do
      table.insert(all, { file = file, hunk = hunk })
    end
  end
  return all
end

-- Takes in what came: everything, or what waits in the files of these names.
local function take(files, names)
  if names then
    for _, file in ipairs(M.files) do
      if not vim.tbl_contains(names, key(file)) then
        table.insert(files, file)
      end
    end
    table.sort(files, function(a, b)
      return a.path < b.path
    end)
  end
  M.files = files
end

local fetch

local function came(files, names)
  take(files, names)
  for _, listener in ipairs(listeners) do
    listener(names)
  end
end

-- One at a time, so that no answer overtakes another.
function fetch()
  if fetching or not session.current or not client.ready then
    return
  end
  local uris = not wanted.all and vim.tbl_keys(wanted.uris) or nil
  local answers = done
  wanted, done = { all = false, uris = {} }, {}
  fetching = true
  local id, here, files = session.current, client.id, {}
  local function page(after)
    local argument = { session = id, waiting = true, limit = PAGE, after = after, files = uris }
    client.request('boxagnts.proposal', argument, function(proposal)
      if here ~= client.id then
        return
      end
      session.of(id).mode = proposal.mode
      vim.list_extend(files, proposal.files)
      if proposal.next and id == session.current then
        return page(proposal.next)
      end
      fetching = false
      if id == session.current then
        came(files, uris and vim.tbl_map(vim.uri_to_fname, uris))
        for _, answer in ipairs(answers) do
          answer()
        end
      end
      if wanted.all or next(wanted.uris) then
        fetch()
      end
    end, function(why)
      fetching = false
      client.say(why, vim.log.levels.ERROR)
    end)
  end
  page()
end

-- Fetches everything, or one file by its URI; `answer` is called with it.
function M.refresh(uri, answer)
  if uri then
    wanted.uris[uri] = true
  else
    wanted.all = true
  end
  if answer then
    table.insert(done, answer)
  end
  fetch()
end

-- The same a little later, once for all that asked meanwhile.
function M.refresh_soon(uri)
  if uri then
    wanted.uris[uri] = true
  else
    wanted.all = true
  end
  if not planned then
    planned = true
    vim.defer_fn(function()
      planned = false
      if wanted.all or next(wanted.uris) then
        fetch()
      end
    end, SETTLE)
  end
end

session.on(function(update)
  if not update then
    came({}, nil)
    M.refresh()
  elseif update.session ~= session.current then
    return
  elseif update.event == 'proposal_changed' or update.event == 'decided' or update.event == 'turn_ended' then
    M.refresh_soon()
  end
end)

-- Nobody can decide on hunks without the server; they come back with it.
client.on('gone', function()
  fetching = false
  wanted, done = { all = false, uris = {} }, {}
  came({}, nil)
end)

return M
