;;; common.el --- What the tests in Emacs share  -*- lexical-binding: t -*-

(require 'boxagnts)
(require 'flymake)
(require 'cl-lib)

;; What is sent was accepted before: Eglot need not ask again. The name is another since 1.16.
(setq eglot-confirm-server-initiated-edits nil
      eglot-confirm-server-edits nil)

(defvar test-answers nil "What is answered when the user is asked, in order.")
(defvar test-questions nil "What the user was asked, the latest first.")
(defvar test-updates nil "What the server told, the latest first.")

(defun completing-read (prompt collection &rest _)
  "Answer PROMPT with the first of COLLECTION that has the next answer in it.
An empty one where there is no answer."
  (push prompt test-questions)
  (let ((answer (pop test-answers))
        (titles (mapcar (lambda (entry) (if (consp entry) (car entry) entry)) collection)))
    (or (and answer (cl-find-if (lambda (title) (string-search answer title)) titles)) "")))

(cl-defmethod eglot-handle-notification :before
  (_server (_method (eql boxagnts/update)) &rest update)
  "Keep each UPDATE."
  (push update test-updates))

(defmacro test-wait (what condition)
  "Wait until CONDITION is true; an error about WHAT when it never is."
  `(let ((end (+ (float-time) 60)))
     (while (not ,condition)
       (when (> (float-time) end)
         (error "Waited in vain for %s: %S %S" ,what test-questions test-updates))
       (accept-process-output nil 0.05)
       (test-idle))))

(defun test-idle ()
  "What Eglot does when Emacs is idle, which it never is in batch mode: tell what changed."
  (when (and (eglot-current-server) eglot--recent-changes)
    (eglot--signal-textDocument/didChange)))

(defun test-happened (event &optional times)
  "Whether EVENT happened, TIMES times."
  (>= (cl-count event test-updates
                :key (lambda (update) (plist-get update :event)) :test #'equal)
      (or times 1)))

(defun test-same (got wanted)
  "An error unless GOT is WANTED."
  (unless (equal got wanted)
    (error "Got %S, wanted %S" got wanted)))

(defun test-hunks ()
  "Lines at which the buffer has diagnostics of ours."
  (sort (mapcar (lambda (diagnostic)
                  (line-number-at-pos (flymake-diagnostic-beg diagnostic)))
                (cl-remove-if-not
                 (lambda (diagnostic)
                   (string-search "boxagnts" (flymake-diagnostic-text diagnostic)))
                 (flymake-diagnostics)))
        #'<))

(defun test-act (line title)
  "Carry out the code action with TITLE at LINE."
  (goto-char (point-min))
  (forward-line (1- line))
  (setq test-answers (list title))
  ;; Eglot shows a menu where no key was pressed last.
  (let ((last-nonmenu-event ?a))
    (call-interactively #'eglot-code-actions)))

(defun test-run (body)
  "Run BODY, and say how it ended."
  (condition-case why
      (progn (funcall body) (message "TEST PASSED"))
    ((error quit) (message "TEST FAILED: %S" why)))
  (set-buffer-modified-p nil))
;;; common.el ends here
