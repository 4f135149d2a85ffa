/** A package of 5 MB in 401 files, unpacked: ours, which checks and hashes every byte, beside node-tar. */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Tar from "tar"
import { extract } from "../../src/runtime/archive/Extract.ts"
import { compare } from "./Measure.ts"

const FILES = 400
const FILE_BYTES = 12_500
const ROUNDS = 7
const SOURCE_CHUNK_BYTES = 256 * 1024

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)

/** Text that compresses as code does, to a quarter or so. */
const code = (seed: number): string => {
  const words = Array.from({ length: 200 }, (_, i) =>
    Crypto.createHash("md5")
      .update(`${i % 97}`)
      .digest("hex")
      .slice(0, 9)
  )
  let text = `// ${seed}\n`
  for (let at = seed; text.length < FILE_BYTES; at += 7) text += `${words[at % 200]} = ${words[(at * at) % 199]}\n`
  return text.slice(0, FILE_BYTES)
}

const packed = (directory: string): string => {
  const root = Path.join(directory, "package")
  for (let i = 0; i < FILES; i++) {
    const folder = Path.join(root, `lib-${i % 20}`)
    Fs.mkdirSync(folder, { recursive: true })
    Fs.writeFileSync(Path.join(folder, `${i}.js`), code(i))
  }
  Fs.writeFileSync(Path.join(root, "package.json"), JSON.stringify({ name: "x", version: "1.0.0" }))
  const archive = Path.join(directory, "x.tgz")
  Tar.create({ gzip: true, cwd: directory, file: archive, sync: true, portable: true }, ["package"])
  return archive
}

export const extraction = async () => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-bench-"))
  try {
    const archive = packed(directory)
    const bytes = new Uint8Array(Fs.readFileSync(archive))
    const chunks = Array.from({ length: Math.ceil(bytes.length / SOURCE_CHUNK_BYTES) }, (_, i) =>
      bytes.subarray(i * SOURCE_CHUNK_BYTES, (i + 1) * SOURCE_CHUNK_BYTES)
    )
    let made = 0
    const place = () => Path.join(directory, `unpacked-${made++}`)
    const ours = () =>
      Effect.runPromise(
        extract({ name: "x.tgz", stream: Stream.fromIterable(chunks) }, place()).pipe(Effect.provide(platform))
      )
    const theirs = (sync: boolean) => () => {
      const cwd = place()
      Fs.mkdirSync(cwd)
      return sync ? Tar.extract({ file: archive, cwd, sync: true }) : Tar.extract({ file: archive, cwd })
    }
    return {
      archiveBytes: bytes.length,
      besideSync: await compare(ours, theirs(true), { rounds: ROUNDS }),
      besideAsync: await compare(ours, theirs(false), { rounds: ROUNDS })
    }
  } finally {
    Fs.rmSync(directory, { recursive: true })
  }
}
