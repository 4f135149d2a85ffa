/**
 * House rules about text in any file: no path of somebody's machine, and nothing left to do in the code.
 */
import { lines, type TextFile, type Violation } from "./Source.ts"

const matches = (
  file: TextFile,
  pattern: RegExp,
  rule: string,
  message: (found: string) => string
): ReadonlyArray<Violation> => {
  const lineAt = lines(file.text)
  return [...file.text.matchAll(pattern)].map((match) => ({
    file: file.path,
    line: lineAt(match.index),
    rule,
    message: message(match[0])
  }))
}

// The brackets keep the patterns from finding themselves.
const machinePaths =
  /(?<![\w.~/-])(?:\/(?:wor[k]|roo[t])\/[a-z]|\/(?:hom[e]|User[s])\/\w+\/|[A-Z]:\\User[s]\\)[^\s"'`)]*/g

/** A file names no directory of the machine that it was written on. */
export const machinePath = (file: TextFile): ReadonlyArray<Violation> =>
  matches(
    file,
    machinePaths,
    "machine-path",
    (found) => `"${found}" exists on one machine only: name it relative to the repository`
  )

const leftovers = /\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b/g

/** Code says what is, and the list of what is still to do is kept elsewhere. */
export const leftToDo = (file: TextFile): ReadonlyArray<Violation> =>
  /^(src|test|property-tests|scripts)\/.*\.[jt]s$/.test(file.path)
    ? matches(file, leftovers, "left-to-do", (found) => `${found}: do it now or take the remark out`)
    : []
