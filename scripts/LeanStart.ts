/**
 * What makes the command line start sooner: a plugin for the bundler, and how it splits the output. Every command waits
 * for what is loaded and evaluated before it begins, and some of that costs more than it gives.
 *
 * `import … from "node:fs"` makes Node read every property of the module, the lazy ones too, so that file streams,
 * promises, readline and WebCrypto are loaded for nobody. `process.getBuiltinModule` hands out the module as it is.
 * And effect/cli makes an `Intl.Segmenter` when it is loaded, for which ICU reads its tables (some 15 ms), to measure
 * how wide help is on a terminal.
 */
import * as Path from "node:path"
import type { Plugin } from "rolldown"

const SEGMENTED = /[\\/]effect[\\/]dist[\\/]cli[\\/]CliOutput\.js$/
const SEGMENTER = /new Intl\.Segmenter\(undefined, \{\s*granularity: "grapheme"\s*\}\)/

/** In place of a segmenter: makes one when the first text is to be measured. */
const LAZY_SEGMENTER = `((made) => ({
  segment: (text) => (made ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })).segment(text)
}))()`

/** A line of the imports at the head of a chunk. */
const IMPORT = /^import (?:(?<clause>.+?) from )?"(?<module>[^"]+)";$/

/** `a, b as c` of an import, as the members of a pattern. */
const membersOf = (names: string): string => names.replaceAll(" as ", ": ")

/** What an import of one of Node's modules comes to, without an import. */
const constantsOf = (clause: string, module: string): string => {
  const source = `process.getBuiltinModule(${JSON.stringify(module)})`
  const parts = /^(?:(?<whole>[\w$]+)(?:, )?)?(?:\* as (?<all>[\w$]+)|\{(?<members>.*)\})?$/.exec(clause)?.groups
  if (parts === undefined) throw new Error(`An import that is not understood: ${clause}`)
  const { all, members, whole } = parts
  const targets = [
    ...(whole === undefined ? [] : [whole]),
    ...(all === undefined ? [] : [all]),
    ...(members === undefined ? [] : [`{${membersOf(members)}}`])
  ]
  return targets.map((target) => `const ${target} = ${source};`).join(" ")
}

/** The chunk, with Node's modules taken as they are. Its imports stand at its head. */
export const withoutFacades = (code: string): string => {
  const lines = code.split("\n")
  for (const [at, line] of lines.entries()) {
    const { clause, module } = IMPORT.exec(line)?.groups ?? {}
    if (module === undefined) break
    if (module.startsWith("node:")) lines[at] = clause === undefined ? "" : constantsOf(clause, module)
  }
  return lines.join("\n")
}

/** What every command needs that uses the home. */
const HOME = ["src/cli/commands/Keys.ts", "src/runtime/store/FileLock.ts", "src/protocol/swarm/Content.ts"]

/**
 * What is loaded together, in this order: to do without the program, to begin at all, to install what the store has,
 * to read a command line, to use the home, and to look something up. Each module goes to the first chunk that has it:
 * those have what all of their lists lead to. Left to itself the bundler makes a file of every set of modules that some
 * commands share, and to load a file costs about a millisecond.
 */
const CHUNKS: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>> = {
  shortcut: [["src/cli/Shortcut.ts"]],
  start: [["src/cli/CommandLine.ts"]],
  base: [["src/cli/QuickInstall.ts"], ["src/cli/Invocation.ts", ...HOME]],
  program: [["src/cli/Invocation.ts"]],
  home: [HOME],
  warm: [["src/cli/QuickInstall.ts"]],
  install: [["src/cli/commands/Install.ts"]],
  lookup: [["src/cli/commands/Resolve.ts", "src/cli/commands/Query.ts", "src/cli/commands/ThroughDaemon.ts"]]
}

/** A plugin, and how it wants the output to be split, for one build. `root` is the repository. */
export const make = (root: string) => {
  const members = new Map(Object.keys(CHUNKS).map((name) => [name, new Set<string>()]))
  const plugin: Plugin = {
    name: "lean-start",
    transform(code, id) {
      if (!SEGMENTED.test(id)) return null
      // An effect that no longer has it there is to be looked at again.
      if (!SEGMENTER.test(code)) throw new Error(`There is no segmenter in ${id} any more`)
      return { code: code.replace(SEGMENTER, LAZY_SEGMENTER), map: null }
    },
    buildEnd() {
      const reachedFrom = (entries: ReadonlyArray<string>): Set<string> => {
        const found = new Set<string>()
        const next = entries.map((entry) => Path.join(root, entry))
        for (let id = next.pop(); id !== undefined; id = next.pop()) {
          const module = this.getModuleInfo(id)
          if (found.has(id) || module === null) continue
          found.add(id)
          next.push(...module.importedIds)
        }
        return found
      }
      for (const [name, lists] of Object.entries(CHUNKS)) {
        const [first = new Set<string>(), ...others] = lists.map(reachedFrom)
        for (const id of first) if (others.every((other) => other.has(id))) members.get(name)!.add(id)
      }
    },
    renderChunk: (code) => ({ code: withoutFacades(code), map: null })
  }
  const groups = [...members].map(([name, modules], index) => ({
    name,
    priority: members.size - index,
    test: (id: string) => modules.has(id)
  }))
  return { plugin, codeSplitting: { groups } }
}
