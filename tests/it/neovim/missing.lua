-- Without the program, and with one that does not start, its user is told what to do.
test(function()
  vim.env.PATH, vim.env.HOME = '/nowhere', '/nowhere'
  options.cmd = nil
  plugin.setup(options)
  has(table.concat(said, '\n'), 'there is no program `boxagnts` on your PATH or in ~/.cargo/bin')
  said, options.cmd = {}, { '/nowhere/boxagnts', 'lsp' }
  plugin.setup(options)
  has(table.concat(said, '\n'), 'cannot run `/nowhere/boxagnts`')
  said, options.cmd = {}, { '/bin/sh', '-c', 'exit 2' }
  plugin.setup(options)
  wait('the message', was_said 'the server does not start (exit code 2)')
  local ok, why = pcall(plugin.setup, { comand = {} })
  same(ok, false)
  has(why, 'there is no option `comand`')
  ok, why = pcall(plugin.setup, { keymaps = { acept = 'x' } })
  same(ok, false)
  has(why, 'there is no mapping `acept`')
end, { autostart = false })
