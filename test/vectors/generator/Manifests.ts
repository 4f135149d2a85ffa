/** `manifests.json`: manifest.json as releases sign it, and bytes that a reader must refuse for their release. */
import { bencode, bytes, type Fields, hex, type Json, keysView, NOW, sha256, some1, some256, text } from "./Cast.ts"
import { other, publisher } from "./Samples.ts"

type Members = { readonly [name: string]: Json }

const NAME = "left-pad"
const VERSION = "1.3.0"
const TARBALL = text("the bytes of a tarball")

/** Canonical for what stands in these files: names are ASCII, and numbers are small integers (RFC 8785). */
const canonical = (value: Json): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (isList(value)) return `[${value.map(canonical).join(",")}]`
  const names = Object.keys(value).toSorted()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name]!)}`).join(",")}}`
}

const isList = (value: ReadonlyArray<Json> | Members): value is ReadonlyArray<Json> => Array.isArray(value)

interface File {
  readonly sha256: string
  readonly size: number
  readonly mode: string
}

type Files = { readonly [path: string]: File }

const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

const contentHash = (files: Files): string => {
  const fields = Object.entries(files)
    .map(([path, file]) => [text(path), text(file.mode), new Uint8Array(Buffer.from(file.sha256, "hex"))] as const)
    .toSorted(([self], [that]) => Buffer.compare(self, that))
    .flat()
  return hex(sha256(bytes(...fields.flatMap((field) => [u32(field.length), field]))))
}

const file = (content: string, mode = "0644"): File => ({ sha256: hex(some256(content)), size: content.length, mode })

const twoFiles: Files = { "index.js": file("module.exports = 1\n"), "package.json": file("{}") }

const manifestOf = (files: Files, members: Members = {}): Members => ({
  contentHash: contentHash(files),
  createdAt: new Date(NOW).toISOString(),
  files: Object.fromEntries(Object.entries(files).map(([path, each]) => [path, { ...each }])),
  name: NAME,
  protocol: "libreseed/1",
  publisher: Buffer.from(publisher.publicKey).toString("base64"),
  tarball: {
    sha256: hex(sha256(TARBALL)),
    sha512: `sha512-${Buffer.alloc(64, 7).toString("base64")}`,
    size: TARBALL.length
  },
  version: VERSION,
  ...members
})

/** The release that signs these bytes, whatever they are. */
const releaseOf = (manifest: Uint8Array): Fields => ({
  h: sha256(TARBALL),
  ih: some1("infohash"),
  m: sha256(manifest),
  n: NAME,
  s: [Math.max(1, manifest.length), TARBALL.length],
  t: NOW,
  v: VERSION
})

const about = (name: string, manifest: Uint8Array, release = releaseOf(manifest), by = publisher) => ({
  name,
  publisher: hex(by.publicKey),
  release: hex(bencode(release)),
  manifest: hex(manifest)
})

const accepted = (name: string, files: Files, members: Members = {}): Json => {
  const value = manifestOf(files, members)
  return { ...about(name, text(canonical(value))), valid: true, value }
}

const valid: ReadonlyArray<Json> = [
  accepted("a manifest", twoFiles),
  accepted("with everything that it may have", twoFiles, {
    bin: { pad: "cli.js" },
    cpu: ["x64", "!arm"],
    dependencies: { "@scope/a": "^1.0.0", b: "*" },
    description: 'Pads on the left: «ä», \u{1f331}, \\ and "',
    engines: { node: ">=20" },
    license: "MIT",
    optionalDependencies: { c: "1.x" },
    os: ["linux"],
    peerDependencies: { d: ">=2" },
    peerDependenciesMeta: { d: { optional: true } },
    repository: "https://example.org/left-pad"
  }),
  accepted("with an executable", { ...twoFiles, "bin/pad.js": file("#!", "0755") }),
  accepted("without files", {}),
  accepted("with paths whose order by UTF-16 is not that by UTF-8", {
    "\u{fb33}": file("presentation form"),
    "\u{1f600}": file("emoji"),
    a: file("a"),
    "a/b": file("b"),
    "a.b": file("c")
  })
]

const refused = (
  name: string,
  reason: string,
  manifest: string | Uint8Array,
  release?: Fields,
  by = publisher
): Json => {
  const spelled = typeof manifest === "string" ? text(manifest) : manifest
  return { ...about(name, spelled, release, by), valid: false, reason }
}

/** Signed as it is. */
const saying = (name: string, reason: string, members: Members): Json =>
  refused(name, reason, canonical(manifestOf(twoFiles, members)))

const good = manifestOf(twoFiles)
const spelling = canonical(good)
const goodRelease = releaseOf(text(spelling))
const goodFiles = good["files"] as { readonly [path: string]: Members }
const goodTarball = good["tarball"] as Members
const lacking = (member: string): string =>
  canonical(Object.fromEntries(Object.entries(good).filter(([name]) => name !== member)))
const withFile = (changes: Members): Members => ({
  files: { ...goodFiles, "index.js": { ...goodFiles["index.js"], ...changes } }
})
const withTarball = (changes: Members): Members => ({ tarball: { ...goodTarball, ...changes } })

const notSigned: ReadonlyArray<Json> = [
  refused(
    "a character changed",
    "its SHA-256 is not the one signed",
    spelling.replace("index.js", "index.ts"),
    goodRelease
  ),
  refused("cut off", "its length is not the one signed", spelling.slice(0, -1), goodRelease),
  refused(
    "a line feed behind it, which was not signed",
    "its length is not the one signed",
    `${spelling}\n`,
    goodRelease
  ),
  refused("a hash of another manifest", "its SHA-256 is not the one signed", spelling, {
    ...goodRelease,
    m: some256("another")
  }),
  refused("a length of another manifest", "its length is not the one signed", spelling, {
    ...goodRelease,
    s: [spelling.length + 1, TARBALL.length]
  })
]

const notCanonical: ReadonlyArray<Json> = [
  refused("a line feed behind it", "not canonical JSON", `${spelling}\n`),
  refused("white space", "not canonical JSON", JSON.stringify(JSON.parse(spelling), undefined, 1)),
  refused(
    "members out of order",
    "not canonical JSON",
    `{"version":"1.3.0",${spelling.slice(1).replace(',"version":"1.3.0"}', "}")}`
  ),
  refused(
    "a member twice",
    "not JSON with one meaning",
    spelling.replace('"name":"left-pad"', '"name":"left-pad","name":"left-pad"')
  ),
  refused("an escape that is not needed", "not canonical JSON", spelling.replace("left-pad", "\\u006ceft-pad")),
  refused("a number with a fraction", "not canonical JSON", spelling.replace(/"size":(\d+)/, '"size":$1.0')),
  refused("a number with an exponent", "not canonical JSON", spelling.replace(/"size":2\b/, '"size":2e0')),
  refused("a byte order mark", "not canonical JSON", `\u{feff}${spelling}`),
  refused("a lone surrogate", "not well-formed Unicode", spelling.replace("1.3.0", "\\ud800")),
  refused("a byte that is not UTF-8", "not in UTF-8", bytes(text(spelling.slice(0, -2)), Uint8Array.of(0xff), '"}')),
  refused("two values", "something follows the value", spelling + spelling),
  refused("a list", "a manifest is an object", "[]"),
  refused("a word", "a manifest is an object", "null")
]

const contradictory: ReadonlyArray<Json> = [
  saying("another name", "name is not that of the release", { name: "right-pad" }),
  saying("another version", "version is not that of the release", { version: "1.3.1" }),
  saying("another publisher", "publisher is not the key that signed the release", {
    publisher: Buffer.from(other.publicKey).toString("base64")
  }),
  refused(
    "served as another publisher's",
    "publisher is not the key that signed the release",
    spelling,
    goodRelease,
    other
  ),
  saying("the publisher in hex", "publisher is in base64", { publisher: hex(publisher.publicKey) }),
  saying("a weak publisher", "publisher is a small-order point", {
    publisher: Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString("base64")
  }),
  saying("another protocol", "protocol is libreseed/1", { protocol: "libreseed/2" }),
  saying("another tarball", "tarball.sha256 is not h", withTarball({ sha256: hex(some256("another tarball")) })),
  saying(
    "another length of the tarball",
    "tarball.size is not that of the release",
    withTarball({ size: TARBALL.length + 1 })
  ),
  saying(
    "a hash of the tarball in capital letters",
    "hashes are in lower-case hex",
    withTarball({ sha256: hex(sha256(TARBALL)).toUpperCase() })
  ),
  saying(
    "an integrity of another algorithm",
    "tarball.sha512 begins with sha512-",
    withTarball({ sha512: `sha256-${Buffer.alloc(32).toString("base64")}` })
  ),
  saying("another content hash", "contentHash is not that of files", { contentHash: hex(some256("other content")) }),
  saying(
    "another file under the same content hash",
    "contentHash is not that of files",
    withFile({ sha256: hex(some256("other content")) })
  ),
  saying("another mode under the same content hash", "contentHash is not that of files", withFile({ mode: "0755" })),
  saying("a mode that lets others write", "mode is 0644 or 0755", withFile({ mode: "0777" })),
  saying("a file of negative size", "size is at least 0", withFile({ size: -1 })),
  saying("a file of half a byte", "size is an integer", withFile({ size: 0.5 })),
  saying("a dependency that is no text", "dependencies are texts", { dependencies: { a: 1 } }),
  refused("no files", "files is missing", lacking("files")),
  refused("no content hash", "contentHash is missing", lacking("contentHash")),
  refused("no tarball", "tarball is missing", lacking("tarball"))
]

export const manifests: Json = {
  about: "manifest.json: docs/spec/torrents.md, 'manifest.json'",
  keys: keysView({ publisher, other }),
  cases: [...valid, ...notSigned, ...notCanonical, ...contradictory]
}
