// Made by `cargo xtask protocol`; what is written here by hand is lost.

export const PROTOCOL_VERSION = 1;

/** Parameters of `AMEND`. */
export type AmendParams = {
  /** `true` to accept it at once. */
  accept?: boolean;
  /** The hunk. */
  hunk: string;
  /** The session. */
  session: string;
  /** What it puts in place of the lines at which it is shown. */
  text: string;
};

/** One answer that can be chosen. */
export type AnswerChoice = {
  /** What it means or leads to. */
  description?: string;
  /** A few words, unlike those of the others. */
  label: string;
};

/** Parameters of `ANSWER`. */
export type AnswerParams = {
  /** Labels of what is chosen. */
  choices?: string[];
  /** The tool call that asks, as in the event `asked`; the only one that is open when absent. */
  id?: string | null;
  /** The session. */
  session: string;
  /** The user's words. */
  text?: string | null;
};

/** A piece of an answer, in short: texts and calls are told by other events. */
export type AnswerPiece = {
  /** How many. */
  bytes: number;
  type: 'text';
} | Thinking & {
  type: 'thinking';
} | {
  /** Its id. */
  id: string;
  type: 'tool_call';
};

/** Parameters of `ASK`. */
export type AskParams = {
  /** What the editor's language servers say of the document: the model is shown it where the prompt says `@diagnostics`. */
  diagnostics?: Diagnostic[] | null;
  /** Pictures that the model is to see: at most 8, each of at most 3,750,000 bytes, in PNG, JPEG, GIF or WebP. A file in the prompt, as `@shot.png`, is another way to show one. */
  images?: ImageParam[];
  /** What the user wants. */
  prompt: string;
  /** The selection in it. */
  range?: Range | null;
  /** The session to continue; a new one when absent. */
  session?: string | null;
  /** For a new session: settings of its own over those of the editor, with the same keys. */
  settings?: unknown;
  /** The document that the user looks at. */
  textDocument?: TextDocument | null;
  /** What is done when a turn of the session runs. */
  whenBusy?: WhenBusy;
};

/** Result of `ASK`. */
export type AskResult = {
  /** The session. */
  session: string;
  /** What was done with the prompt. */
  taken?: Taken;
  /** The turn that was started, numbered from 1 in its session; or the one that it steers; or the one that it will be when the others that wait have had theirs. */
  turn: number;
};

/** The record of one call: what ran, with what, and what it touched. */
export type Audit = {
  /** Paths that were refused, sorted. */
  files_denied?: string[];
  /** Files that were read, relative to the workspace, sorted. */
  files_read?: string[];
  /** Files that were written, removed or moved, sorted. They are changed in the overlay alone, and there only when the call succeeded. */
  files_written?: string[];
  /** Host interfaces that were granted. */
  granted?: string[];
  /** Connections that were made or refused, in order. */
  hosts?: HostContact[];
  /** SHA-256 of the input as JSON text, in hexadecimal. */
  input_sha256?: string;
  /** Entries that did not fit into the lists. */
  left_out?: number;
  /** SHA-256 of the component, in hexadecimal; empty when none ran. */
  tool_sha256?: string;
};

/** Parameters of `CANCEL_EXECUTOR`. */
export type CancelExecutorParams = {
  /** The executor, by its session or by the tool call that wanted it; all when absent. */
  executor?: string | null;
  /** The session whose turn has executors. */
  session: string;
};

/** Result of `CANCEL_EXECUTOR`. */
export type CancelExecutorResult = {
  /** The tool calls whose executors end. */
  cancelled: string[];
};

/** What happens to a file. */
export type ChangeKind = 'create' | 'modify' | 'delete' | 'rename';

/** One batch of changes that was applied to the user's files. */
export type Checkpoint = {
  /** Milliseconds since the Unix epoch. */
  at_ms: number;
  /** Its number, unique in the journal. */
  checkpoint: number;
  /** The files that were changed, relative to the workspace. */
  files: string[];
  /** What made it. */
  kind: CheckpointKind;
  /** In words. */
  label: string;
  /** The session. */
  session: string;
  /** Whether it was taken back since. */
  undone: boolean;
};

/** What made a checkpoint. */
export type CheckpointKind = 'accept' | 'undo' | 'restore';

/** Parameters of `CHECKPOINTS`. */
export type CheckpointsParams = {
  /** At most so many, the newest; 100 when absent. */
  limit?: number | null;
  /** Only those of this session. */
  session?: string | null;
};

/** Who wrote a command. */
export type CommandOrigin = 'built_in' | 'user' | 'project';

/** Parameters of `COMMIT_TO_BRANCH`. */
export type CommitToBranchParams = {
  /** Who made the change, as `Name <address>`; as `commit_author` says, when absent. The user of the repository commits in any case. */
  author?: string | null;
  /** The new branch, as in `agent/rename`; none that exists is touched. */
  branch: string;
  /** What the commit says; the session's title when absent. */
  message?: string | null;
  /** The session whose proposal is committed, without what conflicts. */
  session: string;
  /** Whether the user of the repository signs it off in the message; as `commit_sign_off` says, when absent. */
  signOff?: boolean | null;
};

/** Result of `COMMIT_TO_BRANCH`. */
export type CommitToBranchResult = {
  /** The branch. */
  branch: string;
  /** The commit, in hexadecimal. */
  commit: string;
  /** Files in it. */
  files: number;
  /** What is not in it, each with its reason. */
  leftOut?: string[];
};

/** Parameters of `COMPACT`. */
export type CompactParams = {
  /** What the summary should pay attention to. */
  focus?: string | null;
  /** The session. */
  session: string;
};

/** How room was made in a conversation that became too long for its model. Who does the same with the same conversation gets the same one. */
export type Compaction = {
  /** With a summary: so many messages at the end stay as they are. */
  kept?: number;
  /** What stands in place of the older messages; absent when all of them stay. */
  summary?: string | null;
  /** Tokens of the conversation after it, about. */
  tokens_after: number;
  /** Tokens of the conversation before, about. */
  tokens_before: number;
  /** Results of tools of which only the beginning stays, in order. */
  trimmed?: Trimmed[];
};

/** Parameters of `ACCEPT` and `REJECT`. Exactly one of `hunks`, `files`, `groups`, `all` is given. */
export type DecideParams = {
  /** `true` for everything that is pending. */
  all?: boolean | null;
  /** With reject: why. The model is told in the next turn. */
  comment?: string | null;
  /** File URIs, or paths relative to the workspace. */
  files?: string[] | null;
  /** Ids of tool calls: all hunks that they made. */
  groups?: string[] | null;
  /** Hunk ids. */
  hunks?: string[] | null;
  /** The session. */
  session: string;
};

/** Result of `ACCEPT` and `REJECT`: the commands answer at once; an accepted hunk becomes `accepted` once the editor's text proves it, which an update tells. */
export type DecideResult = {
  /** The hunks that the decision covers, with their state at this moment. */
  hunks: HunkStatus[];
  /** The session. */
  session: string;
};

/** A diagnostic, as LSP has it; other fields are passed over. */
export type Diagnostic = {
  /** What. */
  message: string;
  /** Where. */
  range: Range;
  /** From 1, an error, to 4, a hint. */
  severity?: number | null;
  /** Who says so. */
  source?: string | null;
  /** The document, where it is another one than that of the question. */
  uri?: string | null;
};

/** Kinds of failure of a tool call. Exit codes and the journal go by them. */
export type FailureKind = 'invalid_input' | 'unknown_tool' | 'denied' | 'limit' | 'trap' | 'failed' | 'cancelled' | 'internal';

/** The proposed change of one file. */
export type FileProposal = {
  /** For a move: where it was, relative to the workspace. */
  from?: string | null;
  /** The hunks, in file order; decided ones stay listed. */
  hunks: Hunk[];
  /** What happens to it. */
  kind: ChangeKind;
  /** The same, relative to the workspace, `/`-separated. */
  path: string;
  /** The file's URI: where it will be after the change. */
  uri: string;
};

/** Parameters of `FORK`. */
export type ForkParams = {
  /** The session. */
  session: string;
  /** The last turn of the past that is taken over; all that have ended when absent. */
  turn?: number | null;
};

/** A decision of the gate in front of a tool, with its reason. */
export type GateDecision = {
  /** Why: the rule, the level, the user's answer. */
  reason: string;
  /** What was decided. */
  verdict: Verdict;
};

/** Parameters of `HISTORY`. */
export type HistoryParams = {
  /** Only what is behind this event: `next` of the page before. */
  after?: number | null;
  /** At most so many events; 500 when absent, and never more than 5,000. A page ends earlier when it has 1 MiB. */
  limit?: number | null;
  /** The session. */
  session: string;
};

/** Result of `HISTORY`. */
export type HistoryResult = {
  /** What to give as `after` for the next page; absent behind the last one. */
  next?: number | null;
  /** The session. */
  session: SessionSummary;
  /** Its events in order: what `boxagnts/update` told of each, and `at_ms`, milliseconds since the Unix epoch. Events of another version of the program are among them as they are. */
  updates: unknown[];
};

/** The output of a hook's tool. Output that is no object with one of these fields is shown to the user. */
export type HookAnswer = {
  /** Told to the model: with the result of the tool call, or as a remark with which the turn goes on. */
  context?: string | null;
  /** What it decides. */
  decision?: HookDecision;
  /** Why, for the user and the model. */
  reason?: string | null;
};

/** What a hook decides. */
export type HookDecision = 'allow' | 'deny' | 'ask';

/** When a hook runs. */
export type HookEvent = 'before_tool' | 'after_tool' | 'stop' | 'accept';

/** A connection of a guest, or one that it did not get. */
export type HostContact = {
  /** The address that was connected to or refused. */
  address?: string | null;
  /** Whether policy let it happen. */
  allowed: boolean;
  /** Why not. */
  reason?: string | null;
  /** `scheme://host:port`. */
  target: string;
};

/** One reviewable change. */
export type Hunk = {
  /** The task of the executor that made it. */
  executor?: string | null;
  /** The tool call that made it. */
  group?: string | null;
  /** Stable within the session, e.g. `h3`. */
  id: string;
  /** For hunks that conflict: what the user has there by now, or what else is proposed there. */
  live_text?: string | null;
  /** The text that it puts there. */
  new_text: string;
  /** For whole-file hunks (create, delete, move, binary): what it does, in words. */
  note?: string | null;
  /** The text that it replaces; empty for a pure insertion, and for the whole-file hunks of binary files and moves. */
  old_text: string;
  /** Where it applies in the file as the user has it **now** (pending, conflicted), or had when it was decided. Always at line starts. */
  range: Range;
  /** Its state. */
  state: HunkState;
};

/** State of one hunk. */
export type HunkState = 'pending' | 'accepted' | 'rejected' | 'conflicted';

/** A hunk's state in short. */
export type HunkStatus = {
  /** The hunk. */
  id: string;
  /** Why it is not what was asked for. */
  reason?: string | null;
  /** Its state. */
  state: HunkState;
};

/** A picture for the model. */
export type Image = {
  /** Its bytes in base64. */
  data: string;
  /** As `image/png`. */
  media_type: string;
};

/** A picture of `AskParams`. */
export type ImageParam = {
  /** Its bytes in base64. */
  data: string;
  /** As `image/png`. */
  mediaType: string;
} | {
  /** Where. */
  uri: string;
};

/** Where an executor works. */
export type Isolation = 'overlay' | 'worktree';

/** The identity of a hunk, and the lines that it stands for. */
export type NamedHunk = {
  /** The tool call that made it. */
  group?: string | null;
  /** Its id. */
  id: string;
  /** Start and end of its lines in the base, then in the proposed text: zero-based, half-open. Absent when it is one of the whole file. */
  lines?: number[] | null;
};

/** How a session took over the past of another. */
export type OriginKind = 'fork' | 'import' | 'executor';

/** A step of a model's plan. */
export type PlanItem = {
  /** How far it is. */
  status: PlanStatus;
  /** What is to be done. */
  text: string;
};

/** How far a step of a model's plan is. */
export type PlanStatus = 'pending' | 'in_progress' | 'completed';

/** A position as in LSP: zero-based line and character in UTF-16 code units. */
export type Position = {
  /** Zero-based offset in the line, in UTF-16 code units. */
  character: number;
  /** Zero-based line. */
  line: number;
};

/** One entry of the result of `COMMANDS`: a prompt may begin with `/NAME`. */
export type PromptCommand = {
  /** What to write behind it. */
  argument_hint?: string | null;
  /** What it does, in a line; may be empty. */
  description: string;
  /** Without the slash. */
  name: string;
  /** Who wrote it. */
  origin: CommandOrigin;
};

/** A named part of a system prompt. */
export type PromptPart = {
  /** What it is about. */
  name: string;
  /** What the model reads. */
  text: string;
};

/** Everything that a session proposes. */
export type Proposal = {
  /** Hunks that wait and conflict, on all pages. */
  conflicted: number;
  /** Changed files, sorted by path. */
  files: FileProposal[];
  /** Its mode. */
  mode: SessionMode;
  /** Where the next page begins; absent behind the last one. */
  next?: string | null;
  /** Hunks that wait and fit, on all pages. */
  pending: number;
  /** The session. */
  session: string;
  /** Its state. */
  state: SessionState;
  /** Files with hunks that wait, on all pages. */
  waiting_files: number;
};

/** Parameters of `PROPOSAL`. */
export type ProposalParams = {
  /** Only files behind this one: `next` of the page before. */
  after?: string | null;
  /** Only these files: URIs, or paths relative to the workspace. */
  files?: string[] | null;
  /** At most so many files; all when absent. */
  limit?: number | null;
  /** The session. */
  session: string;
  /** `true` for what waits for a decision alone. */
  waiting?: boolean;
};

/** What is proposed for one file. */
export type ProposedDiff = {
  /** The text that the change was made on, unless it is the one in the event before of this path, or binary. */
  base?: string | null;
  /** Unified diff from `base` to the proposed text; empty when nothing is proposed any more. */
  diff: string;
  /** Its hunks that wait. */
  hunks?: NamedHunk[];
  /** The file, relative to the workspace: where it will be after the change. */
  path: string;
};

/** Parameters of `METHOD`. */
export type QuestionParams = {
  /** Whether the user may answer in words, besides or instead of choosing. */
  allow_free_text?: boolean;
  /** What can be chosen; empty for a question that is answered in words alone. */
  choices?: AnswerChoice[];
  /** A text in Markdown that it is about: the plan that is to be approved. */
  detail?: string | null;
  /** The tool call that asks, as in the event `asked`. */
  id: string;
  /** Whether more than one can be chosen. */
  multi_select?: boolean;
  /** The question. */
  question: string;
  /** The session. */
  session: string;
};

/** Result of `METHOD`; `null` when the user put the question away. */
export type QuestionResult = {
  /** Labels of what was chosen. */
  choices?: string[];
  /** The user's words. */
  text?: string | null;
};

/** A half-open range of positions. */
export type Range = {
  /** Position behind the last. */
  end: Position;
  /** First position. */
  start: Position;
};

/** A file that stays as it is. */
export type RefusedFile = {
  /** The file, relative to the workspace. */
  path: string;
  /** Why. */
  reason: string;
};

/** Parameters of `RENAME`. */
export type RenameParams = {
  /** The session. */
  session: string;
  /** Its new title. */
  title: string;
};

/** Parameters of `REPROPOSE`. */
export type ReproposeParams = {
  /** Hunks that were rejected. */
  hunks: string[];
  /** The session. */
  session: string;
};

/** Parameters of `RESTORE`. */
export type RestoreParams = {
  /** The files become what they were before it. */
  checkpoint: number;
};

/** Who speaks in a `Message`. */
export type Role = 'user' | 'assistant';

/** Parameters of `boxagnts/schedules`, sent when an editor has started, and when a scheduled task ends that left a proposal. */
export type SchedulesParams = {
  /** The proposals that wait, the latest first. */
  waiting: WaitingProposal[];
};

/** What can happen in a session. */
export type SessionEvent = {
  event: 'configured';
  /** Keys and values as in a configuration file. */
  settings: unknown;
} | {
  event: 'instructed';
  /** Where its text comes from, as far as it is neither ours nor the user's words. */
  shown?: Shown[];
  /** The system prompt of the whole session, in the first event of this kind alone. */
  system?: PromptPart[];
  /** The turn. */
  turn: number;
} | {
  /** What the model is told along with it: where the user looks, what was rejected. */
  context?: string | null;
  event: 'turn_started';
  /** `provider:model`. */
  model: string;
  /** What the user asked. */
  prompt: string;
  /** Number of the turn, from 1. */
  turn: number;
} | {
  event: 'attached';
  /** The picture. Its data is in the journal alone, and empty where this is told while it happens. */
  image: Image;
  /** The turn. */
  turn: number;
  /** What the user calls it. */
  what: string;
} | {
  /** Whether it asks for a summary of the conversation, which nobody is shown. */
  compacting?: boolean;
  event: 'model_called';
  /** Number of the request in the turn, from 1. */
  step: number;
  /** The turn. */
  turn: number;
} | {
  /** How. */
  compaction: Compaction;
  event: 'compacted';
  /** The turn. */
  turn: number;
} | {
  event: 'steered';
  /** What the user said. */
  prompt: string;
  /** The turn. */
  turn: number;
} | {
  /** How many prompts wait before it. */
  behind: number;
  event: 'queued';
  /** What the user asked. */
  prompt: string;
} | {
  event: 'dropped';
  /** What the user asked, in order. */
  prompts: string[];
} | {
  event: 'noted';
  /** On whose side: behind what the user said, or as the model's answer in place of what it said. */
  role: Role;
  /** The text. */
  text: string;
  /** The turn. */
  turn: number;
} | {
  event: 'text_delta';
  /** What it said. */
  text: string;
  /** The turn. */
  turn: number;
} | {
  /** Number of the attempt that failed, from 1. */
  attempt: number;
  event: 'model_retry';
  /** Why. */
  reason: string;
  /** The turn. */
  turn: number;
  /** How long we wait, in milliseconds. */
  wait_ms: number;
} | {
  /** US dollars, where the price is known. */
  cost_usd?: number | null;
  event: 'model_answered';
  /** Why it stopped. */
  stop: StopReason;
  /** The turn. */
  turn: number;
  /** Its tokens. */
  usage: TokenUsage;
} | {
  /** All of the answer, in order. */
  answer: AnswerPiece[];
  event: 'thought';
  /** The turn. */
  turn: number;
} | {
  /** The call. */
  call: ToolCall;
  event: 'tool_started';
  /** The turn. */
  turn: number;
} | {
  event: 'tool_finished';
  /** The call's id. */
  id: string;
  /** The tool's name. */
  name: string;
  /** What came of it. */
  report: ToolReport;
  /** The turn. */
  turn: number;
} | {
  /** What it answered, where that was an answer. */
  answer?: HookAnswer | null;
  /** The tool call that it ran for. */
  call?: string | null;
  event: 'hooked';
  /** When it ran. */
  hook: HookEvent;
  /** What the model is told, so that the turn goes on. */
  remark?: string | null;
  /** What came of the tool. */
  report: ToolReport;
  /** The tool that it is. */
  tool: string;
  /** The turn, or the latest one. */
  turn: number;
} | {
  event: 'asked';
  /** The tool call that asks. */
  id: string;
  /** What is asked. */
  question: UserQuestion;
  /** The turn. */
  turn: number;
} | {
  /** What became of it. */
  answer: UserAnswer;
  event: 'answered';
  /** As in `SessionEvent::Asked`. */
  id: string;
  /** The turn. */
  turn: number;
} | {
  event: 'plan';
  /** All steps, in order. */
  items: PlanItem[];
  /** The turn. */
  turn: number;
} | {
  event: 'mode_changed';
  /** The mode from now on. */
  mode: SessionMode;
  /** The tool call by which a plan was approved; absent when the user chose the mode directly. */
  plan?: string | null;
} | {
  event: 'nested';
  /** What: a model call or a tool call, from `model_called` to `tool_finished`. It comes first: the journal finds by that what was paid for. */
  inner: SessionEvent;
  /** The tool call. */
  parent: string;
  /** The turn. */
  turn: number;
} | {
  /** The tool call that wants it; hunks that come of it have it as their `group`. */
  call: string;
  event: 'executor_queued';
  /** Its own session: what it does is told there. */
  executor: string;
  /** Where it works. */
  isolation: Isolation;
  /** `provider:model`. */
  model: string;
  /** What it is to do, in a line. */
  task: string;
  /** The turn. */
  turn: number;
} | {
  /** As in `SessionEvent::ExecutorQueued`. */
  call: string;
  event: 'executor_started';
  /** Its own session. */
  executor: string;
  /** The turn. */
  turn: number;
} | {
  /** As in `SessionEvent::ExecutorQueued`. */
  call: string;
  /** Hunks of it that do not fit what else is proposed. */
  conflicts: number;
  /** US dollars, where prices are known. */
  cost_usd?: number | null;
  event: 'executor_ended';
  /** Its own session. */
  executor: string;
  /** Hunks of it that are proposed. */
  hunks: number;
  /** How. */
  outcome: TurnOutcome;
  /** The turn. */
  turn: number;
  /** What it used. */
  usage: TokenUsage;
} | {
  /** The files whose change is another than in the event before: together they bring the proposal back after a restart. */
  changed: ProposedDiff[];
  /** Hunks that conflict. */
  conflicted: number;
  event: 'proposal_changed';
  /** Files with hunks that await a decision. */
  files: number;
  /** Number of the youngest hunk; ids are never used twice. */
  last_hunk: number;
  /** Hunks that await a decision. */
  pending: number;
  /** All hunks that do not fit what else is proposed, on the text that they were made on; absent when they are as in the event before. */
  rivals?: ProposedDiff[] | null;
} | {
  /** The checkpoint by which the accepted ones can be taken back. */
  checkpoint?: number | null;
  /** The user's words. */
  comment?: string | null;
  event: 'decided';
  /** The hunks and what became of them. */
  hunks: HunkStatus[];
} | {
  /** The checkpoints that were taken back, the newest first. */
  checkpoints: number[];
  event: 'undone';
  /** What came of it. */
  result: UndoResult;
} | {
  /** Whether all of it is in the user's files; else nothing of it is, but for `refused`. */
  applied: boolean;
  /** The batch. */
  checkpoint: number;
  event: 'recovered';
  /** Its files. */
  files: string[];
  /** Files that could not be brought back to what they were, with the reason. */
  refused?: RefusedFile[];
} | {
  event: 'notice';
  /** What. */
  message: string;
} | {
  /** US dollars of the session so far, where prices are known. */
  cost_usd?: number | null;
  event: 'turn_ended';
  /** How. */
  outcome: TurnOutcome;
  /** The turn. */
  turn: number;
  /** Tokens of the whole session so far. */
  usage: TokenUsage;
};

/** How a session treats what its tools want, as the configuration's `mode`. */
export type SessionMode = 'plan' | 'review' | 'auto';

/** Where the past of a session comes from. */
export type SessionOrigin = {
  /** Events that were taken over: the first ones. */
  events: number;
  /** How it was taken over. */
  kind: OriginKind;
  /** The other session, which may be gone, or in the journal of somebody else. */
  session: string;
};

/** Parameters of commands that take a session alone. */
export type SessionParams = {
  /** The session. */
  session: string;
};

/** State of a session as its user sees it. */
export type SessionState = 'running' | 'review' | 'idle';

/** One entry of the result of `SESSIONS` and of `boxagnts session list`. */
export type SessionSummary = {
  /** Milliseconds since the Unix epoch. */
  created_ms: number;
  /** With a search: the place that was found. */
  found?: string | null;
  /** `provider:model`. */
  model: string;
  /** Where its past comes from, when that is another session. */
  origin?: SessionOrigin | null;
  /** The session. */
  session: string;
  /** First words of its first prompt, or what the user calls it. */
  title: string;
  /** Milliseconds since the Unix epoch. */
  updated_ms: number;
  /** Hunks that wait for a decision, as the journal was last told. */
  waiting?: number;
  /** Absolute path of its workspace. */
  workspace: string;
};

/** Parameters of `SET_MODE`; they are its result, too. */
export type SetModeParams = {
  /** The mode from its next step on. */
  mode: SessionMode;
  /** The session. */
  session: string;
};

/** Something that the model was shown without asking for it. */
export type Shown = {
  /** Bytes of it that the model was shown. */
  bytes: number;
  /** SHA-256 of these, in hexadecimal. */
  sha256: string;
  /** What: a path in the workspace, a URL, the name of what the user mentioned. */
  what: string;
};

/** Parameters of `SPLIT`. */
export type SplitParams = {
  /** The hunk. */
  hunk: string;
  /** The session. */
  session: string;
};

/** Why the model stopped. */
export type StopReason = 'end_turn' | 'tool_use' | 'max_tokens' | 'refusal' | 'lost';

/** What was done with a prompt. */
export type Taken = 'started' | 'steers' | 'queued';

/** A document by URI, as in LSP. */
export type TextDocument = {
  /** Its URI. */
  uri: string;
};

/** What a provider wants to get back with the conversation, unchanged and in its place: thoughts with their signature. It means nothing to any other model, which is not sent it. */
export type Thinking = {
  /** The provider's own state. */
  opaque?: unknown;
  /** The model that thought, as `provider:model`. */
  provider: string;
  /** The thoughts, as far as the provider shows them. */
  text: string;
};

/** Tokens of one model call. A field that a provider does not report is 0. */
export type TokenUsage = {
  /** Prompt tokens read from the provider's cache. */
  cache_read_tokens?: number;
  /** Prompt tokens written to the provider's cache. */
  cache_write_tokens?: number;
  /** Prompt tokens billed in full. */
  input_tokens?: number;
  /** Generated tokens. */
  output_tokens?: number;
};

/** A request of the model to run a tool. */
export type ToolCall = {
  /** Unique within the session; ties the result to the call. */
  id: string;
  /** Input as the model gave it, not yet validated. Text that was not JSON arrives as a string. */
  input: unknown;
  /** Name of the tool. */
  name: string;
};

/** Why a tool call failed. */
export type ToolFailure = {
  /** The kind. */
  kind: FailureKind;
  /** Name of the limit that stopped it, for `FailureKind::Limit`. */
  limit?: string | null;
  /** For people and the model: thing, place, remedy. */
  message: string;
  /** What was used when it was stopped, same unit. */
  used?: number | null;
  /** The limit's value, in the limit's own unit (instructions, ms, bytes, count). */
  value?: number | null;
};

/** The outcome of one tool call with what it used: the object of `boxagnts tool run --json`. */
export type ToolReport = {
  /** What the call was and what it touched. */
  audit?: Audit;
  /** What the gate decided; `null` when the call did not get that far (no such tool, input that does not fit). */
  decision?: GateDecision | null;
  /** Unified diff of what the call changed in the overlay; empty when it changed nothing. */
  diff: string;
  /** What went wrong; `null` when `ok`. */
  error?: ToolFailure | null;
  /** Whether the tool did what was asked. */
  ok: boolean;
  /** Text for the model. With an error this is what the tool had said before it. */
  output: string;
  /** What the call used. */
  usage: ToolUsage;
};

/** What one call used. */
export type ToolUsage = {
  /** Files opened. */
  files_opened: number;
  /** Instructions, as wasmtime counts fuel. */
  fuel: number;
  /** Bytes written to the overlay. */
  host_bytes: number;
  /** Largest sum of linear memories and tables, in bytes. */
  peak_memory_bytes: number;
  /** Wall clock in milliseconds, host calls included. */
  wall_ms: number;
};

/** A result of a tool of which only the beginning stays. */
export type Trimmed = {
  /** Bytes of it that stay, at most. */
  bytes: number;
  /** Id of the call. */
  id: string;
};

/** How a turn ended. */
export type TurnOutcome = {
  kind: 'done';
} | {
  kind: 'limit';
  /** The limit's name, as in the configuration. */
  limit: string;
  /** What was used. */
  used: number;
  /** Its value. */
  value: number;
} | {
  kind: 'cancelled';
} | {
  kind: 'failed';
  /** Whether the same may work later: the provider could not be reached, was busy, or broke off. */
  may_pass?: boolean;
  /** What went wrong and what to do. */
  message: string;
};

/** Parameters of `UNDO`. */
export type UndoParams = {
  /** The checkpoint; the latest accepted batch that was not taken back when absent. */
  checkpoint?: number | null;
  /** Without `checkpoint`: only batches of this session. */
  session?: string | null;
};

/** What came of `UNDO` or `RESTORE`. */
export type UndoResult = {
  /** The checkpoint that was made by that: undoing it brings back what was taken back. Absent when no file had to change. */
  checkpoint?: number | null;
  /** Files that are as they were. */
  files: string[];
  /** Hunks that wait for a decision again. */
  hunks?: string[];
  /** Files that could not be taken back, with the reason. */
  refused?: RefusedFile[];
};

/** Answer of `UNDO` and `RESTORE`, at once; an update tells the result. */
export type UndoStarted = {
  /** The checkpoints that are being taken back, the newest first. */
  checkpoints: number[];
};

/** Calls of a model whose price is not known. */
export type UnpricedCalls = {
  /** How many. */
  calls: number;
  /** `provider:model`. */
  model: string;
};

/** One event of a session with its place in the journal. */
export type Update = ({
  event: 'configured';
  /** Keys and values as in a configuration file. */
  settings: unknown;
} | {
  event: 'instructed';
  /** Where its text comes from, as far as it is neither ours nor the user's words. */
  shown?: Shown[];
  /** The system prompt of the whole session, in the first event of this kind alone. */
  system?: PromptPart[];
  /** The turn. */
  turn: number;
} | {
  /** What the model is told along with it: where the user looks, what was rejected. */
  context?: string | null;
  event: 'turn_started';
  /** `provider:model`. */
  model: string;
  /** What the user asked. */
  prompt: string;
  /** Number of the turn, from 1. */
  turn: number;
} | {
  event: 'attached';
  /** The picture. Its data is in the journal alone, and empty where this is told while it happens. */
  image: Image;
  /** The turn. */
  turn: number;
  /** What the user calls it. */
  what: string;
} | {
  /** Whether it asks for a summary of the conversation, which nobody is shown. */
  compacting?: boolean;
  event: 'model_called';
  /** Number of the request in the turn, from 1. */
  step: number;
  /** The turn. */
  turn: number;
} | {
  /** How. */
  compaction: Compaction;
  event: 'compacted';
  /** The turn. */
  turn: number;
} | {
  event: 'steered';
  /** What the user said. */
  prompt: string;
  /** The turn. */
  turn: number;
} | {
  /** How many prompts wait before it. */
  behind: number;
  event: 'queued';
  /** What the user asked. */
  prompt: string;
} | {
  event: 'dropped';
  /** What the user asked, in order. */
  prompts: string[];
} | {
  event: 'noted';
  /** On whose side: behind what the user said, or as the model's answer in place of what it said. */
  role: Role;
  /** The text. */
  text: string;
  /** The turn. */
  turn: number;
} | {
  event: 'text_delta';
  /** What it said. */
  text: string;
  /** The turn. */
  turn: number;
} | {
  /** Number of the attempt that failed, from 1. */
  attempt: number;
  event: 'model_retry';
  /** Why. */
  reason: string;
  /** The turn. */
  turn: number;
  /** How long we wait, in milliseconds. */
  wait_ms: number;
} | {
  /** US dollars, where the price is known. */
  cost_usd?: number | null;
  event: 'model_answered';
  /** Why it stopped. */
  stop: StopReason;
  /** The turn. */
  turn: number;
  /** Its tokens. */
  usage: TokenUsage;
} | {
  /** All of the answer, in order. */
  answer: AnswerPiece[];
  event: 'thought';
  /** The turn. */
  turn: number;
} | {
  /** The call. */
  call: ToolCall;
  event: 'tool_started';
  /** The turn. */
  turn: number;
} | {
  event: 'tool_finished';
  /** The call's id. */
  id: string;
  /** The tool's name. */
  name: string;
  /** What came of it. */
  report: ToolReport;
  /** The turn. */
  turn: number;
} | {
  /** What it answered, where that was an answer. */
  answer?: HookAnswer | null;
  /** The tool call that it ran for. */
  call?: string | null;
  event: 'hooked';
  /** When it ran. */
  hook: HookEvent;
  /** What the model is told, so that the turn goes on. */
  remark?: string | null;
  /** What came of the tool. */
  report: ToolReport;
  /** The tool that it is. */
  tool: string;
  /** The turn, or the latest one. */
  turn: number;
} | {
  event: 'asked';
  /** The tool call that asks. */
  id: string;
  /** What is asked. */
  question: UserQuestion;
  /** The turn. */
  turn: number;
} | {
  /** What became of it. */
  answer: UserAnswer;
  event: 'answered';
  /** As in `SessionEvent::Asked`. */
  id: string;
  /** The turn. */
  turn: number;
} | {
  event: 'plan';
  /** All steps, in order. */
  items: PlanItem[];
  /** The turn. */
  turn: number;
} | {
  event: 'mode_changed';
  /** The mode from now on. */
  mode: SessionMode;
  /** The tool call by which a plan was approved; absent when the user chose the mode directly. */
  plan?: string | null;
} | {
  event: 'nested';
  /** What: a model call or a tool call, from `model_called` to `tool_finished`. It comes first: the journal finds by that what was paid for. */
  inner: SessionEvent;
  /** The tool call. */
  parent: string;
  /** The turn. */
  turn: number;
} | {
  /** The tool call that wants it; hunks that come of it have it as their `group`. */
  call: string;
  event: 'executor_queued';
  /** Its own session: what it does is told there. */
  executor: string;
  /** Where it works. */
  isolation: Isolation;
  /** `provider:model`. */
  model: string;
  /** What it is to do, in a line. */
  task: string;
  /** The turn. */
  turn: number;
} | {
  /** As in `SessionEvent::ExecutorQueued`. */
  call: string;
  event: 'executor_started';
  /** Its own session. */
  executor: string;
  /** The turn. */
  turn: number;
} | {
  /** As in `SessionEvent::ExecutorQueued`. */
  call: string;
  /** Hunks of it that do not fit what else is proposed. */
  conflicts: number;
  /** US dollars, where prices are known. */
  cost_usd?: number | null;
  event: 'executor_ended';
  /** Its own session. */
  executor: string;
  /** Hunks of it that are proposed. */
  hunks: number;
  /** How. */
  outcome: TurnOutcome;
  /** The turn. */
  turn: number;
  /** What it used. */
  usage: TokenUsage;
} | {
  /** The files whose change is another than in the event before: together they bring the proposal back after a restart. */
  changed: ProposedDiff[];
  /** Hunks that conflict. */
  conflicted: number;
  event: 'proposal_changed';
  /** Files with hunks that await a decision. */
  files: number;
  /** Number of the youngest hunk; ids are never used twice. */
  last_hunk: number;
  /** Hunks that await a decision. */
  pending: number;
  /** All hunks that do not fit what else is proposed, on the text that they were made on; absent when they are as in the event before. */
  rivals?: ProposedDiff[] | null;
} | {
  /** The checkpoint by which the accepted ones can be taken back. */
  checkpoint?: number | null;
  /** The user's words. */
  comment?: string | null;
  event: 'decided';
  /** The hunks and what became of them. */
  hunks: HunkStatus[];
} | {
  /** The checkpoints that were taken back, the newest first. */
  checkpoints: number[];
  event: 'undone';
  /** What came of it. */
  result: UndoResult;
} | {
  /** Whether all of it is in the user's files; else nothing of it is, but for `refused`. */
  applied: boolean;
  /** The batch. */
  checkpoint: number;
  event: 'recovered';
  /** Its files. */
  files: string[];
  /** Files that could not be brought back to what they were, with the reason. */
  refused?: RefusedFile[];
} | {
  event: 'notice';
  /** What. */
  message: string;
} | {
  /** US dollars of the session so far, where prices are known. */
  cost_usd?: number | null;
  event: 'turn_ended';
  /** How. */
  outcome: TurnOutcome;
  /** The turn. */
  turn: number;
  /** Tokens of the whole session so far. */
  usage: TokenUsage;
}) & {
  /** Number of the event in its session, from 1, without gaps. */
  seq: number;
  /** The session. */
  session: string;
};

/** What `USAGE` and `boxagnts usage` add up. */
export type UsageBy = 'day' | 'session' | 'model';

/** Parameters of `USAGE`. */
export type UsageParams = {
  /** `true` for the sessions of every folder, else those of the editor's. */
  all?: boolean;
  /** What to add up; days when absent. */
  by?: UsageBy;
  /** Only from this day on, as in `2026-01-31`. */
  since?: string | null;
};

/** Result of `USAGE`. What a session took over from another is not in it: it was spent there. */
export type UsageResult = {
  /** Days in order; sessions and models with the most expensive first. */
  rows: UsageRow[];
  /** All of them together; its `key` is empty. */
  total: UsageRow;
  /** The calls whose price is not known, by model: what they cost is in no sum of dollars. */
  unpriced: UnpricedCalls[];
};

/** What was used in a day, by a session or of a model. */
export type UsageRow = {
  /** Answers of models. */
  calls: number;
  /** US dollars for the calls whose price is known; `null` when there is none. */
  cost_usd?: number | null;
  /** The day as `2026-01-31`, the session's id, or `provider:model`. */
  key: string;
  /** The title of a session. */
  title?: string | null;
  /** Their tokens. */
  tokens: TokenUsage;
  /** Calls whose price is not known. */
  unpriced_calls: number;
};

/** What became of a question. */
export type UserAnswer = {
  /** Labels of what was chosen. */
  choices?: string[];
  kind: 'given';
  /** The user's words. */
  text?: string | null;
} | {
  kind: 'dismissed';
} | {
  kind: 'nobody';
} | {
  kind: 'withdrawn';
};

/** What the user is asked. */
export type UserQuestion = {
  /** Whether the user may answer in words, besides or instead of choosing. */
  allow_free_text?: boolean;
  /** What can be chosen; empty for a question that is answered in words alone. */
  choices?: AnswerChoice[];
  /** A text in Markdown that it is about: the plan that is to be approved. */
  detail?: string | null;
  /** Whether more than one can be chosen. */
  multi_select?: boolean;
  /** The question. */
  question: string;
};

/** What the gate can decide. */
export type Verdict = 'allowed' | 'approved' | 'denied';

/** A proposal that a scheduled task left and that waits for its user. */
export type WaitingProposal = {
  /** When the run ended, in milliseconds since the Unix epoch. */
  ended_ms: number;
  /** Hunks that wait at this moment. */
  hunks: number;
  /** The job's name. */
  job: string;
  /** The session; it can be opened like any other. */
  session: string;
  /** Absolute path of the folder. */
  workspace: string;
};

/** What is done with a prompt for a session in which a turn runs. */
export type WhenBusy = 'refuse' | 'steer' | 'queue' | 'interrupt';

export interface Params {
  'boxagnts.accept': DecideParams;
  'boxagnts.amend': AmendParams;
  'boxagnts.answer': AnswerParams;
  'boxagnts.ask': AskParams;
  'boxagnts.cancel': SessionParams;
  'boxagnts.cancelExecutor': CancelExecutorParams;
  'boxagnts.checkpoints': CheckpointsParams;
  'boxagnts.commands': null;
  'boxagnts.commitToBranch': CommitToBranchParams;
  'boxagnts.compact': CompactParams;
  'boxagnts.deleteSession': SessionParams;
  'boxagnts.fork': ForkParams;
  'boxagnts.history': HistoryParams;
  'boxagnts.proposal': ProposalParams;
  'boxagnts.reject': DecideParams;
  'boxagnts.rename': RenameParams;
  'boxagnts.repropose': ReproposeParams;
  'boxagnts.restore': RestoreParams;
  'boxagnts.sessions': null;
  'boxagnts.setMode': SetModeParams;
  'boxagnts.showPatch': SessionParams;
  'boxagnts.split': SplitParams;
  'boxagnts.undo': UndoParams;
  'boxagnts.usage': UsageParams;
}

export interface Results {
  'boxagnts.accept': DecideResult;
  'boxagnts.amend': DecideResult;
  'boxagnts.answer': null;
  'boxagnts.ask': AskResult;
  'boxagnts.cancel': null;
  'boxagnts.cancelExecutor': CancelExecutorResult;
  'boxagnts.checkpoints': Checkpoint[];
  'boxagnts.commands': PromptCommand[];
  'boxagnts.commitToBranch': CommitToBranchResult;
  'boxagnts.compact': AskResult;
  'boxagnts.deleteSession': SessionSummary;
  'boxagnts.fork': SessionSummary;
  'boxagnts.history': HistoryResult;
  'boxagnts.proposal': Proposal;
  'boxagnts.reject': DecideResult;
  'boxagnts.rename': SessionSummary;
  'boxagnts.repropose': DecideResult;
  'boxagnts.restore': UndoStarted;
  'boxagnts.sessions': SessionSummary[];
  'boxagnts.setMode': SetModeParams;
  'boxagnts.showPatch': TextDocument;
  'boxagnts.split': DecideResult;
  'boxagnts.undo': UndoStarted;
  'boxagnts.usage': UsageResult;
}

export interface Notifications {
  'boxagnts/schedules': SchedulesParams;
  'boxagnts/update': Update;
}
