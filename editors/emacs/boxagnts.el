;;; boxagnts.el --- A coding agent that cannot hurt you, by Eglot  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: MIT OR Apache-2.0
;; Package-Requires: ((emacs "26.3") (eglot "1.9"))

;;; Commentary:

;; The program `boxagnts' does the work, as a language server; Eglot, which Emacs has since version
;; 29, shows what it says.  Nothing is written before you accept it.
;;
;;   (require 'boxagnts)
;;   M-x boxagnts             in a file of your project
;;   M-x boxagnts-ask         with a region, about that
;;   M-x eglot-code-actions   at a hunk: accepts or rejects it
;;
;; Only what you accepted is sent as an edit; that Eglot asks once more before it applies one is
;; `eglot-confirm-server-edits', before Eglot 1.16 `eglot-confirm-server-initiated-edits'.
;;
;; Eglot has one server for a mode in a project: `M-x boxagnts' takes the place of the mode's own
;; until you `M-x eglot-shutdown' it.

;;; Code:

(require 'eglot)
(require 'subr-x)

(defgroup boxagnts nil
  "A coding agent that cannot hurt you."
  :group 'tools
  :prefix "boxagnts-")

(defcustom boxagnts-command '("boxagnts" "lsp")
  "The server's program and its arguments."
  :type '(repeat string))

(defcustom boxagnts-settings nil
  "Settings of the server, with the keys of its configuration file.
A property list, as in (:model \"ollama:qwen3\" :total_budget_usd 2)."
  :type 'plist)

(defvar boxagnts--session nil
  "The session that commands are about.")

(defun boxagnts--contact ()
  "The server as Eglot wants it; an error where there is no such program."
  (let ((program (car boxagnts-command)))
    (unless (executable-find program)
      (user-error "There is no program `%s': install it, or set `boxagnts-command'" program))
    (append boxagnts-command
            (when boxagnts-settings
              (list :initializationOptions boxagnts-settings)))))

;;;###autoload
(defun boxagnts ()
  "Start BoxAgnts for the current buffer's mode in its project."
  (interactive)
  (let ((eglot-server-programs
         (cons (cons major-mode (boxagnts--contact)) eglot-server-programs)))
    (call-interactively #'eglot)))

(defun boxagnts--server ()
  "The server of the current buffer."
  (let ((server (eglot-current-server)))
    (unless (and server (boxagnts--is server))
      (user-error "BoxAgnts does not run for this buffer: M-x boxagnts"))
    server))

(defun boxagnts--is (server)
  "Whether SERVER is BoxAgnts."
  (equal (plist-get (eglot--server-info server) :name) "boxagnts"))

(defun boxagnts--request (command &rest argument)
  "Run COMMAND of the server with the property list ARGUMENT.
Its answer is about the text that the user sees."
  (let ((server (boxagnts--server)))
    (eglot--signal-textDocument/didChange)
    (prog1 (jsonrpc-request server :workspace/executeCommand
                            (list :command command
                                  :arguments (if argument (vector argument) [])))
      (boxagnts--read-on server))))

(defun boxagnts--read-on (server &rest _)
  "Have messages of SERVER looked at that came together with an answer.
The jsonrpc of Emacs 28 would leave them, such as an edit, until more comes."
  (when (boxagnts--is server)
    (let ((process (jsonrpc--process server)))
      (run-at-time 0 nil
                   (lambda ()
                     (when (process-live-p process)
                       (funcall (process-filter process) process "")))))))

;; Behind a code action.
(advice-add 'eglot-execute-command :after #'boxagnts--read-on)

(defun boxagnts--in-session (command &rest argument)
  "Run COMMAND of the server about the current session, with ARGUMENT."
  (unless boxagnts--session
    (user-error "There is no session yet: M-x boxagnts-ask, or M-x boxagnts-sessions"))
  (apply #'boxagnts--request command :session boxagnts--session argument))

;;;###autoload
(defun boxagnts-ask (prompt &optional new)
  "Ask for PROMPT in the current session, about the region where it is active.
With a prefix argument, NEW, in a new session."
  (interactive (list (read-string "Ask BoxAgnts: ") current-prefix-arg))
  (let ((argument (list :prompt prompt :textDocument (eglot--TextDocumentIdentifier))))
    (when (use-region-p)
      (setq argument
            (append argument
                    (list :range (list :start (eglot--pos-to-lsp-position (region-beginning))
                                       :end (eglot--pos-to-lsp-position (region-end)))))))
    (when (and boxagnts--session (not new))
      (setq argument (append argument (list :session boxagnts--session))))
    (setq boxagnts--session
          (plist-get (apply #'boxagnts--request "boxagnts.ask" argument) :session))))

(defun boxagnts-accept-all ()
  "Accept every hunk that waits."
  (interactive)
  (boxagnts--in-session "boxagnts.accept" :all t))

(defun boxagnts-reject-all (comment)
  "Reject every hunk that waits.  The model hears COMMENT with your next prompt."
  (interactive "sWhy not? ")
  (if (string-empty-p comment)
      (boxagnts--in-session "boxagnts.reject" :all t)
    (boxagnts--in-session "boxagnts.reject" :all t :comment comment)))

(defun boxagnts-reject (hunks comment)
  "Reject HUNKS, a list of ids.  The model hears COMMENT with your next prompt."
  (interactive (list (split-string (read-string "Hunks, as h1 h2: "))
                     (read-string "Why not? ")))
  (boxagnts--in-session "boxagnts.reject" :hunks (vconcat hunks) :comment comment))

(defun boxagnts-undo ()
  "Take back what was accepted last in this session.  What you typed since stays."
  (interactive)
  (boxagnts--in-session "boxagnts.undo"))

(defun boxagnts-cancel ()
  "Stop what runs.  Hunks that are there stay."
  (interactive)
  (boxagnts--in-session "boxagnts.cancel"))

(defun boxagnts-review ()
  "Show the whole proposal as a patch.  Saving it amends the proposal."
  (interactive)
  (let ((shown (boxagnts--in-session "boxagnts.showPatch"))
        ;; Its name since Eglot 1.16.
        (path (if (fboundp 'eglot-uri-to-path) 'eglot-uri-to-path 'eglot--uri-to-path)))
    (pop-to-buffer (find-file-noselect (funcall path (plist-get shown :uri))))))

(defun boxagnts-resume (session)
  "Go on with SESSION: its hunks wait again."
  (interactive "sSession: ")
  (let ((proposal (boxagnts--request "boxagnts.proposal" :session session :limit 1 :waiting t)))
    (setq boxagnts--session session)
    (message "BoxAgnts: %s, %d hunks wait" (plist-get proposal :state)
             (+ (plist-get proposal :pending) (plist-get proposal :conflicted)))))

(defun boxagnts-sessions ()
  "Choose a session of this folder, and go on with it."
  (interactive)
  (let* ((sessions (append (boxagnts--request "boxagnts.sessions") nil))
         (titles (mapcar (lambda (session)
                           (cons (format "%s (%s)" (plist-get session :title)
                                         (plist-get session :session))
                                 (plist-get session :session)))
                         sessions)))
    (unless titles
      (user-error "There is no session in this folder yet: M-x boxagnts-ask"))
    (let ((title (completing-read "Go on with: " titles nil t)))
      (boxagnts-resume (cdr (assoc title titles))))))

(defun boxagnts--connected (server)
  "Go on with the session where SERVER was started anew."
  (when (and boxagnts--session (boxagnts--is server))
    (jsonrpc-async-request
     server :workspace/executeCommand
     (list :command "boxagnts.proposal"
           :arguments (vector (list :session boxagnts--session :limit 1 :waiting t)))
     :success-fn (lambda (proposal)
                   (message "BoxAgnts is back: %d hunks wait"
                            (+ (plist-get proposal :pending) (plist-get proposal :conflicted))))
     :error-fn (lambda (error)
                 (message "BoxAgnts: %s" (plist-get error :message))))))

(add-hook 'eglot-connect-hook #'boxagnts--connected)

(cl-defmethod eglot-handle-notification
  (_server (_method (eql boxagnts/update)) &key session event &allow-other-keys)
  "Take note of the SESSION in which a turn was started: EVENT is what happened."
  (when (equal event "turn_started")
    (setq boxagnts--session session)))

(provide 'boxagnts)
;;; boxagnts.el ends here
