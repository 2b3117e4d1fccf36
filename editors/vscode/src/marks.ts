/** Colours at hunks that wait, and the context key of key bindings. */

import * as vscode from 'vscode';
import type { Hunk } from './generated/protocol';
import { fromServer } from './places';
import type { Proposals } from './proposals';

const LINES = 40;

export function marks(proposals: Proposals): vscode.Disposable {
  const color = (name: string) => new vscode.ThemeColor(name);
  const ruler = {
    overviewRulerColor: color('editorOverviewRuler.modifiedForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  };
  const replaced = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: color('diffEditor.removedLineBackground'),
    ...ruler,
  });
  const inserted = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    borderWidth: '1px 0 0 0',
    borderStyle: 'dashed',
    borderColor: color('editorGutter.addedBackground'),
    ...ruler,
  });

  const paint = () => {
    for (const editor of vscode.window.visibleTextEditors) {
      const here = proposals.of(editor.document.uri).map(({ hunk }) => hunk);
      const options = (hunks: Hunk[]) => hunks.map((hunk) => decoration(hunk));
      editor.setDecorations(replaced, options(here.filter((hunk) => hunk.old_text !== '')));
      editor.setDecorations(inserted, options(here.filter((hunk) => hunk.old_text === '')));
    }
    void vscode.commands.executeCommand(
      'setContext',
      'boxagnts.hunks',
      proposals.all().length > 0,
    );
  };
  paint();
  return vscode.Disposable.from(
    replaced,
    inserted,
    proposals.onChange(paint),
    vscode.window.onDidChangeVisibleTextEditors(paint),
  );
}

function decoration(hunk: Hunk): vscode.DecorationOptions {
  const said = new vscode.MarkdownString();
  const verb = hunk.state === 'conflicted' ? 'conflicts with your text' : 'proposes';
  said.appendMarkdown(`BoxAgnts, ${hunk.id}: ${verb}\n`);
  if (hunk.executor) {
    said.appendText(`by the executor “${hunk.executor}”\n`);
  }
  const sign = (text: string, mark: string) =>
    text.split('\n').slice(0, -1).map((line) => mark + line);
  const lines = [...sign(hunk.old_text, '- '), ...sign(hunk.new_text, '+ ')];
  said.appendCodeblock(lines.slice(0, LINES).join('\n'), 'diff');
  const range = fromServer(hunk.range);
  // A range ends before the line that it ends at.
  const end = range.end.line > range.start.line ? range.end.translate(-1) : range.end;
  return { range: new vscode.Range(range.start, end), hoverMessage: said };
}
