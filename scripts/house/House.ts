/**
 * All house rules over one directory. The rules themselves stand in the files beside this one; CONTRIBUTING.md
 * lists them, and test/scripts/House.test.ts shows that each one catches what it is there for.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Code from "./Code.ts"
import * as Imports from "./Imports.ts"
import { lockComplete } from "./Lock.ts"
import { listFiles, parse, readText, type Source, type Violation } from "./Source.ts"
import * as Words from "./Words.ts"

const isCode = (path: string): boolean => /^(src|test|property-tests|scripts|docs)\/.*\.[jt]s$/.test(path)

const isSource = (parsed: Source | Violation): parsed is Source => "program" in parsed

const isViolation = (parsed: Source | Violation): parsed is Violation => !isSource(parsed)

const dependenciesOf = (root: string): ReadonlySet<string> => {
  const path = Path.join(root, "package.json")
  return new Set(Fs.existsSync(path) ? Object.keys(JSON.parse(Fs.readFileSync(path, "utf8")).dependencies ?? {}) : [])
}

/** Everything in the repository at `root` that breaks a house rule, by file and line. */
export const inspect = (root: string): ReadonlyArray<Violation> => {
  const files = listFiles(root).flatMap((path) => readText(root, path) ?? [])
  const parsed = files.filter(({ path }) => isCode(path)).map(parse)
  const sources = parsed.filter(isSource)
  const rulesOfCode = [
    Imports.pureProtocol,
    Imports.folderDirection,
    Imports.declaredDependency(dependenciesOf(root)),
    Imports.effectBarrel,
    Code.noConsole,
    Code.ambientState,
    Code.everyTestRuns,
    Code.typeEscape
  ]
  return [
    ...parsed.filter(isViolation),
    ...sources.flatMap((source) => rulesOfCode.flatMap((rule) => rule(source))),
    ...Imports.importCycle(sources),
    ...files.flatMap(Words.machinePath),
    ...files.flatMap(Words.leftToDo),
    ...lockComplete(root)
  ].toSorted((one, other) => one.file.localeCompare(other.file) || one.line - other.line)
}

/** One line for a terminal, in the form that editors make clickable. */
export const render = ({ file, line, rule, message }: Violation): string => `${file}:${line}: ${rule}: ${message}`
