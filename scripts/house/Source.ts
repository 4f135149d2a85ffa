/**
 * The files of the repository as the house rules see them: text, syntax tree, and what each one imports.
 * Rules look at the tree and not at text, so that a word in a comment or a string breaks none of them.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type ESTree, parseSync, Visitor } from "rolldown/utils"

/** A rule that a file breaks. `file` is relative to the repository, `line` counts from 1. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly rule: string
  readonly message: string
}

/** One import, re-export, dynamic import or import type. `target` is the repository path of a relative one. */
export interface Import {
  readonly specifier: string
  readonly target: string | undefined
  readonly line: number
}

/** A parsed TypeScript or JavaScript file. `path` is relative to the repository with forward slashes. */
export interface Source {
  readonly path: string
  readonly text: string
  readonly program: ESTree.Program
  readonly comments: ReadonlyArray<{ readonly value: string; readonly start: number }>
  readonly imports: ReadonlyArray<Import>
  readonly lineAt: (offset: number) => number
}

/** A file of any kind, for the rules about words. */
export interface TextFile {
  readonly path: string
  readonly text: string
}

const ignoredDirectories = new Set(["node_modules", "dist", ".git", ".cache", "coverage"])

const ignoredFiles = new Set(["package-lock.json"])

/** Files above this size are data, not something that a person wrote, in bytes. */
const MAX_TEXT_BYTES = 1_000_000

/** Paths of all files below `root` that are part of the repository, sorted, relative, with forward slashes. */
export const listFiles = (root: string, below = ""): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) return ignoredDirectories.has(entry.name) ? [] : listFiles(root, path)
      return entry.isFile() && !ignoredFiles.has(entry.name) && !entry.name.endsWith(".tgz") ? [path] : []
    })
    .toSorted()

/** Reads a file as text; `undefined` where it is binary or large. */
export const readText = (root: string, path: string): TextFile | undefined => {
  const bytes = Fs.readFileSync(Path.join(root, path))
  return bytes.length > MAX_TEXT_BYTES || bytes.includes(0) ? undefined : { path, text: bytes.toString("utf8") }
}

/** A function from an offset in the text to its line, counted from 1. */
export const lines = (text: string): ((offset: number) => number) => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return (offset) => {
    const next = starts.findIndex((start) => start > offset)
    return next === -1 ? starts.length : next
  }
}

const importsOf = (
  path: string,
  program: ESTree.Program,
  lineAt: (offset: number) => number
): ReadonlyArray<Import> => {
  const found: Array<Import> = []
  const add = (source: ESTree.Node | null): void => {
    if (source?.type !== "Literal" || typeof source.value !== "string") return
    const specifier = source.value
    const target = specifier.startsWith(".") ? Path.posix.join(Path.posix.dirname(path), specifier) : undefined
    found.push({ specifier, target, line: lineAt(source.start) })
  }
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source)
  }).visit(program)
  return found
}

/** Parses a file, or says where its syntax is wrong. */
export const parse = (file: TextFile): Source | Violation => {
  const lang = file.path.endsWith(".d.ts") ? "dts" : file.path.endsWith(".ts") ? "ts" : "js"
  const { program, comments, errors } = parseSync(file.path, file.text, { lang, sourceType: "module" })
  const lineAt = lines(file.text)
  const [error] = errors
  if (error !== undefined) {
    const line = lineAt(error.labels[0]?.start ?? 0)
    return { file: file.path, line, rule: "syntax", message: error.message }
  }
  return { ...file, program, comments, imports: importsOf(file.path, program, lineAt), lineAt }
}
