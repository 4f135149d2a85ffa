/** The numbers of `docs/spec/limits.md` are those of the code, and the page misses none. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"

const root = Path.resolve(import.meta.dirname, "../..")

interface Row {
  readonly limit: string
  readonly value: string
  readonly constant: string
  readonly who: string
}

const rows: ReadonlyArray<Row> = Fs.readFileSync(Path.join(root, "docs/spec/limits.md"), "utf8")
  .split("\n")
  .flatMap((line) => {
    const cells = /^\| (.+?) \| (.+?) \| `(.+?)` \| (\w+) \|/.exec(line)
    return cells === null ? [] : [{ limit: cells[1]!, value: cells[2]!, constant: cells[3]!, who: cells[4]! }]
  })

/** Bytes, chars and counts are as they are written; all times are in ms. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["bytes", 1],
  ["chars", 1],
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["s", 1000],
  ["h", 3_600_000],
  ["d", 86_400_000]
])

const read = (value: string): number | bigint => {
  const [digits, unit = ""] = value.replaceAll(",", "").split(" ")
  const factor = UNITS.get(unit)
  assert.isDefined(factor, `unknown unit in "${value}"`)
  const number = Number(digits) * factor!
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? BigInt(digits!) : number
}

/** `registry/Release.HINTS_MAX`: the module, and the way to the constant in it. */
const parse = (constant: string): { readonly file: string; readonly path: ReadonlyArray<string> } => {
  const [module, ...path] = constant.split(".")
  const folder = module!.startsWith("runtime/") ? "src" : "src/protocol"
  return { file: Path.join(root, folder, `${module}.ts`), path }
}

const actual = async (constant: string): Promise<unknown> => {
  const { file, path } = parse(constant)
  let value: unknown = await import(pathToFileURL(file).href)
  for (const name of path) value = (value as { readonly [name: string]: unknown })[name]
  return Duration.isDuration(value) ? Duration.toMillis(value) : value
}

/** Names of limits are in capital letters and say what they bound. */
const LIMIT = /^export const ((?:[A-Z0-9_]+_)?(?:MAX|MIN|CEILING)(?:_[A-Z0-9_]+)?)\b/gm

/** The protocol's own; those of the simulator bind nobody. */
const inSources = (): ReadonlyArray<string> => {
  const directory = Path.join(root, "src/protocol")
  return Fs.readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("testing"))
    .flatMap((file) => {
      const module = file.replaceAll(Path.sep, "/").slice(0, -".ts".length)
      return Array.from(
        Fs.readFileSync(Path.join(directory, file), "utf8").matchAll(LIMIT),
        ([, name]) => `${module}.${name}`
      )
    })
}

describe("docs/spec/limits.md", () => {
  it("has the values of the constants that it names", async () => {
    assert.isAtLeast(rows.length, 80)
    for (const { constant, limit, value } of rows) {
      assert.strictEqual(await actual(constant), read(value), `${limit} (${constant})`)
    }
  })

  it("names every limit that the protocol exports, and none twice", () => {
    const named = rows.map(({ constant }) => constant)
    assert.strictEqual(new Set(named).size, named.length)
    const found = inSources()
    assert.isAtLeast(found.length, 40)
    assert.deepStrictEqual(
      found.filter((constant) => !named.includes(constant)),
      []
    )
  })

  it("says whose limit each is", () => {
    for (const { limit, who } of rows) assert.include(["both", "writer", "reader", "host"], who, limit)
  })
})
