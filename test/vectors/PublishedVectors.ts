/**
 * Makes the vectors that this project publishes for other implementations: `test/vectors/published`,
 * described in the README beside it. Everything follows from fixed seeds, so that making them again
 * gives the same bytes.
 */
import { type Json, keysView } from "./generator/Cast.ts"
import { claims } from "./generator/Claims.ts"
import { envelopes } from "./generator/EnvelopeRefusals.ts"
import { manifests } from "./generator/Manifests.ts"
import { equivocations, keyStrings, order, valid } from "./generator/RecordCases.ts"
import { nameIndices } from "./generator/NameIndices.ts"
import { names, versions } from "./generator/Names.ts"
import { invalid } from "./generator/RecordRefusals.ts"
import { other, publisher } from "./generator/Samples.ts"
import { torrents } from "./generator/Torrents.ts"
import { treesFile } from "./generator/Trees.ts"

const WIDTH = 120

type Group = ReadonlyArray<Json> | { readonly [name: string]: Json }

const isGroup = (value: Json): value is Group => typeof value === "object" && value !== null

const isList = (value: Group): value is ReadonlyArray<Json> => Array.isArray(value)

/** Items that are lists or objects of several parts stand on lines of their own, as the formatter has them. */
const isBroken = (list: ReadonlyArray<Json>): boolean =>
  list.length > 1 && list.every((item) => isGroup(item) && Object.keys(item).length > 1)

/** `used` are the columns before the value on its line, and one for what follows it. */
const write = (value: Json, indent: string, used: number): string => {
  if (!isGroup(value)) return JSON.stringify(value)
  const deeper = `${indent}  `
  if (isList(value)) {
    const line = `[${value.map((item) => write(item, "", 0)).join(", ")}]`
    const fits = !line.includes("\n") && used + line.length <= WIDTH && !isBroken(value)
    if (fits) return line
    return `[\n${value.map((item) => deeper + write(item, deeper, deeper.length + 1)).join(",\n")}\n${indent}]`
  }
  const members = Object.entries(value).map(([name, member]) => {
    const start = `${deeper}${JSON.stringify(name)}: `
    return start + write(member, deeper, start.length + 1)
  })
  return members.length === 0 ? "{}" : `{\n${members.join(",\n")}\n${indent}}`
}

const files: { readonly [name: string]: Json } = {
  "records.json": {
    about: "Records of every kind: docs/spec/records.md",
    keys: keysView({ publisher, other }),
    names,
    versions,
    keyStrings,
    cases: [...valid, ...envelopes, ...invalid],
    order,
    equivocations
  },
  "claims.json": claims,
  "name-indices.json": nameIndices,
  "trees.json": treesFile,
  "torrents.json": torrents,
  "manifests.json": manifests
}

/** Text by file name. */
export const published: ReadonlyMap<string, string> = new Map(
  Object.entries(files).map(([name, value]) => [name, `${write(value, "", 0)}\n`])
)
