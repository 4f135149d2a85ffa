/**
 * House rules about single expressions: what prints, what reads the clock or draws chance outside a service,
 * what stops a test from running, and what switches the type checker off.
 */
import { type ESTree, Visitor, type VisitorObject } from "rolldown/utils"
import type { Source, Violation } from "./Source.ts"

/** Runs a visitor that reports nodes, and turns each report into a violation of `rule`. */
const collect = (
  source: Source,
  rule: string,
  visitor: (report: (node: ESTree.Node, message: string) => void) => VisitorObject
): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const report = (node: ESTree.Node, message: string): void => {
    violations.push({ file: source.path, line: source.lineAt(node.start), rule, message })
  }
  new Visitor(visitor(report)).visit(source.program)
  return violations
}

/** `a.b.c` as `["a", "b", "c"]`; calls in between are looked through, so `it.each(rows).skip` is found too. */
const nameParts = (node: ESTree.Node): ReadonlyArray<string> => {
  if (node.type === "Identifier") return [node.name]
  if (node.type === "CallExpression") return nameParts(node.callee)
  if (node.type !== "MemberExpression") return []
  return [...nameParts(node.object), node.property.type === "Identifier" ? node.property.name : ""]
}

/** In the product only the command line prints; everything else returns values, fails or logs through Effect. */
export const noConsole = (source: Source): ReadonlyArray<Violation> =>
  !source.path.startsWith("src/") || source.path.startsWith("src/cli/")
    ? []
    : collect(source, "no-console", (report) => ({
        MemberExpression: (node) => {
          if (node.object.type !== "Identifier" || node.object.name !== "console") return
          report(node, "console is for src/cli: return the value, or use Effect.log")
        }
      }))

const ambientCalls = new Map([
  ["Date.now", "read the time from Effect's Clock"],
  ["performance.now", "read the time from Effect's Clock"],
  ["Math.random", "draw from Effect's Random, or SecureRandom for secrets"],
  ["setTimeout", "use Effect.sleep or a Schedule"],
  ["setInterval", "use a Schedule"],
  ["setImmediate", "use Effect.yieldNow"]
])

/** Time, chance and timers come from services in `src/protocol`, or no simulation could replay it. */
export const ambientState = (source: Source): ReadonlyArray<Violation> =>
  !source.path.startsWith("src/protocol/")
    ? []
    : collect(source, "ambient-state", (report) => ({
        CallExpression: (node) => {
          const name = nameParts(node.callee)
            .join(".")
            .replace(/^globalThis\./, "")
          const cure = ambientCalls.get(name)
          if (cure !== undefined) report(node, `${name}() in src/protocol: ${cure}`)
        },
        NewExpression: (node) => {
          if (node.arguments.length > 0 || nameParts(node.callee).join(".") !== "Date") return
          report(node, "new Date() in src/protocol: read the time from Effect's Clock")
        }
      }))

const suites = new Set(["it", "test", "describe", "suite", "bench", "layer"])

const notRun = new Set(["skip", "skipIf", "runIf", "only", "todo", "fails"])

const notRunAliases = new Set(["xit", "xtest", "xdescribe", "fit", "fdescribe"])

/** The one place where tests are not run: for want of a program of others or of a right, which it reports by name. */
const REQUIREMENT = "test/interop/Requirement.ts"

/** Every test runs, and none keeps the others from running. */
export const everyTestRuns = (source: Source): ReadonlyArray<Violation> =>
  !/^(test|property-tests)\//.test(source.path) || source.path === REQUIREMENT
    ? []
    : collect(source, "every-test-runs", (report) => ({
        MemberExpression: (node) => {
          const [root = "", ...rest] = nameParts(node)
          const last = rest.at(-1) ?? ""
          if (suites.has(root) && notRun.has(last)) report(node, `${root}.${last}: mend the test or delete it`)
        },
        CallExpression: (node) => {
          const [name = "", ...rest] = nameParts(node.callee)
          if (rest.length === 0 && notRunAliases.has(name)) report(node, `${name}: mend the test or delete it`)
        }
      }))

/** Types are believed only where the compiler can check them. */
export const typeEscape = (source: Source): ReadonlyArray<Violation> => {
  if (!source.path.startsWith("src/")) return []
  const switches = source.comments
    .filter(({ value }) => /^\s*@ts-(ignore|nocheck|expect-error)/.test(value))
    .map(({ start }) => ({
      file: source.path,
      line: source.lineAt(start),
      rule: "type-escape",
      message: "a comment switches the type checker off: give the value its type"
    }))
  const casts = collect(source, "type-escape", (report) => ({
    TSAnyKeyword: (node) => report(node, '"any" switches the type checker off: use unknown and parse'),
    TSAsExpression: (node) => {
      if (node.typeAnnotation.type === "TSNeverKeyword") report(node, '"as never" hides a type error: cure it')
      if (node.expression.type !== "TSAsExpression") return
      if (node.expression.typeAnnotation.type === "TSUnknownKeyword")
        report(node, '"as unknown as" hides a type error: cure it')
    }
  }))
  return [...switches, ...casts]
}
