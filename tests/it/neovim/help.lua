-- The help file has every command, option and mapping, and nothing else; its links lead somewhere.
test(function()
  local folder = vim.fn.fnamemodify(vim.api.nvim_get_runtime_file('doc/boxagnts.txt', false)[1], ':h')
  local copy = vim.fn.tempname()
  vim.fn.mkdir(copy .. '/doc', 'p')
  local help = vim.fn.readfile(folder .. '/boxagnts.txt')
  vim.fn.writefile(help, copy .. '/doc/boxagnts.txt')
  vim.cmd('helptags ' .. copy .. '/doc')
  local tags = {}
  for _, line in ipairs(vim.fn.readfile(copy .. '/doc/tags')) do
    tags[line:match '^[^\t]+'] = true
  end
  local function documented(prefix, known)
    for name in pairs(known) do
      assert(tags[prefix .. name], ('no tag *%s%s*'):format(prefix, name))
    end
    for tag in pairs(tags) do
      local name = vim.startswith(tag, prefix) and tag:sub(#prefix + 1)
      assert(not name or known[name], ('*%s* is about nothing'):format(tag))
    end
  end
  documented(':BoxAgnts-', require('boxagnts.commands').known)
  documented('boxagnts-option-', require('boxagnts.config').known)
  local all = table.concat(help, '\n')
  for name, keys in pairs(require('boxagnts.config').keymaps) do
    assert(all:find(('\n    %s +%s '):format(name, (keys:gsub('%p', '%%%0')))), name)
  end
  vim.opt.runtimepath:append(copy)
  for link in all:gmatch '|([^|%s]+)|' do
    local ok = pcall(vim.cmd, 'help ' .. link)
    assert(ok, ('|%s| leads nowhere'):format(link))
  end
  -- What the code says is in the help.
  for _, command in ipairs(vim.fn.getcompletion('BoxAgnts ', 'cmdline')) do
    assert(tags[':BoxAgnts-' .. command], command)
  end
  same(vim.fn.getcompletion('BoxAgnts usage ', 'cmdline'), { 'day', 'session', 'model' })

  wait('the client', running)
  vim.cmd 'checkhealth boxagnts'
  wait('the health', function()
    return text():find 'finds nothing wrong' ~= nil
  end)
  has(text(), 'OK')
  has(text(), 'The server runs')
  assert(not text():find 'ERROR', text())
end)
