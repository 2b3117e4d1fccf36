;;; BoxAgnts in agent-shell (Emacs 29 or later): M-x boxagnts-shell  -*- lexical-binding: t -*-
;; Merge this into your own configuration. Changes come as questions with their diff.

(defun boxagnts-shell ()
  "Talk with BoxAgnts in a buffer of agent-shell."
  (interactive)
  (require 'agent-shell)
  (agent-shell-start
   :config (agent-shell-make-agent-config
            :identifier 'boxagnts
            :mode-line-name "BoxAgnts"
            :buffer-name "BoxAgnts"
            :shell-prompt "BoxAgnts> "
            :shell-prompt-regexp "BoxAgnts> "
            :client-maker (lambda (buffer)
                            (agent-shell--make-acp-client :command "boxagnts"
                                                          :command-params '("acp")
                                                          :context-buffer buffer)))))
