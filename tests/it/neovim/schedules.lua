-- Proposals of scheduled tasks that wait are told once, each; and what is sent to commit a proposal to a
-- branch. No server is asked.
local sent, made = {}, nil
require('boxagnts.client').request = function(command, argument, done)
  if command == 'boxagnts.commitToBranch' then
    table.insert(sent, { command, argument })
    done(made)
  end
end

local function waiting(...)
  local all = {}
  for _, entry in ipairs { ... } do
    local name, hunks = entry:match '^(%w+):(%d+)$'
    table.insert(all, {
      job = 'job-' .. name, session = name, hunks = tonumber(hunks), ended_ms = 0, workspace = '/w',
    })
  end
  require('boxagnts.handlers').all['boxagnts/schedules'](nil, { waiting = all })
end

-- What is said of what the server tells, or does.
local function check(act, wanted)
  said = {}
  act()
  same(said, wanted)
end

test(function()
  check(function() waiting 'a:1' end, {
    'BoxAgnts: a proposal of a scheduled task waits: job-a (1 hunk); :BoxAgnts resume a',
  })
  -- The server has started again.
  check(function() waiting 'a:1' end, {})
  check(function() waiting('c:3', 'b:2', 'a:1') end, {
    'BoxAgnts: 2 proposals of scheduled tasks wait: job-c (3 hunks), job-b (2 hunks); :BoxAgnts sessions',
  })
  same(vim.fn.getcompletion('BoxAgnts resume ', 'cmdline'), { 'c', 'b', 'a' })
  check(function() waiting('d:1', 'e:1', 'f:1', 'g:1') end, {
    'BoxAgnts: 4 proposals of scheduled tasks wait: job-d (1 hunk), job-e (1 hunk), job-f (1 hunk), …; '
      .. ':BoxAgnts sessions',
  })

  check(function() vim.cmd 'BoxAgnts branch' end, {
    'BoxAgnts: to which branch? As in :BoxAgnts branch agent/rename Rename total to sum',
  })
  check(function() vim.cmd 'BoxAgnts branch agent/x' end, {
    'BoxAgnts: there is no session yet: :BoxAgnts ask, or :BoxAgnts sessions',
  })
  require('boxagnts.session').choose 's'
  made = { branch = 'agent/x', commit = ('0123456789'):rep(4), files = 1 }
  check(function() vim.cmd 'BoxAgnts branch agent/x' end, {
    'BoxAgnts: agent/x is at commit 012345678901, with 1 file',
  })
  made = { branch = 'agent/y', commit = ('0123456789'):rep(4), files = 2, leftOut = { 'a.txt: h1 conflicts' } }
  check(function() vim.cmd 'BoxAgnts branch agent/y in my words' end, {
    'BoxAgnts: agent/y is at commit 012345678901, with 2 files\nleft out: a.txt: h1 conflicts',
  })
  same(sent, {
    { 'boxagnts.commitToBranch', { branch = 'agent/x', session = 's' } },
    { 'boxagnts.commitToBranch', { branch = 'agent/y', message = 'in my words', session = 's' } },
  })
  same(vim.fn.getcompletion('BoxAgnts branch ', 'cmdline'), { 'agent/' })
  same(vim.fn.getcompletion('BoxAgnts branch agent/x ', 'cmdline'), {})
end)
