/** GNU tar as it is called here: names as bytes, owners as numbers, attributes, ACLs and holes kept. */
import type { Command } from '../../process/command.ts'

const ATTRIBUTES = ['--acls', '--xattrs', '--xattrs-include=*']

/** Writes what it is told on its input, names parted by zero bytes, and nothing below them. */
export function createCommand(root: string): Command {
  return {
    program: 'tar',
    args: [
      '--create',
      '--file=-',
      '--format=pax',
      // Times of reading would make two archives of the same tree unlike.
      '--pax-option=delete=atime,delete=ctime',
      '--numeric-owner',
      ...ATTRIBUTES,
      '--sparse',
      '--quoting-style=escape',
      '--warning=no-file-ignored',
      `--directory=${root}`,
      '--no-recursion',
      '--no-unquote',
      '--null',
      '--files-from=-',
    ],
    // Messages that are read here, and names as they are: no alphabet to convert from.
    env: { LC_ALL: 'C' },
  }
}

/** Fills the folder with what comes on the input; owners only where the worker may give files away. */
export function extractCommand(folder: string): Command {
  const owners = process.getuid?.() === 0 ? '--same-owner' : '--no-same-owner'
  return {
    program: 'tar',
    args: [
      '--extract',
      '--file=-',
      `--directory=${folder}`,
      // Else it stops reading at the end mark, before whoever writes has closed its side.
      '--ignore-zeros',
      '--numeric-owner',
      owners,
      '--same-permissions',
      '--delay-directory-restore',
      ...ATTRIBUTES,
      '--quoting-style=escape',
      '--warning=no-timestamp',
    ],
    env: { LC_ALL: 'C' },
  }
}
