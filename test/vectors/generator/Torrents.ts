/** `torrents.json`: what a release fixes about its torrent, and info dictionaries that are not those of a release. */
import { bencode, bytes, type Field, type Fields, hex, inOrder, type Json, sha1, some1 } from "./Cast.ts"
import { infoOf, type Lengths, pieceLengthOf, piecesOf, release, smallLengths, without } from "./Samples.ts"

const NAME = "left-pad"
const VERSION = "1.3.0"

const KIB = 1024
const MIB = 1024 * KIB

const ofRelease = (name: string, packageName: string, version: string, lengths: Lengths): Json => {
  const info = bencode(infoOf(packageName, version, lengths))
  const total = lengths.manifest + lengths.tarball
  return {
    name,
    package: packageName,
    version,
    manifestLength: lengths.manifest,
    tarballLength: lengths.tarball,
    pieceLength: pieceLengthOf(total),
    pieces: hex(piecesOf(total)),
    info: hex(info),
    valid: true,
    infohash: hex(sha1(info)),
    release: hex(bencode(release(packageName, version, lengths)))
  }
}

const total = (bytesInAll: number): Lengths => ({ manifest: 1000, tarball: bytesInAll - 1000 })

const valid: ReadonlyArray<Json> = [
  ofRelease("one piece", NAME, VERSION, smallLengths),
  ofRelease("one byte each", NAME, VERSION, { manifest: 1, tarball: 1 }),
  ofRelease("a scoped name", "@scope/left_pad", "2.0.0-rc.1+build.5", smallLengths),
  ofRelease("one full piece", NAME, VERSION, total(16 * KIB)),
  ofRelease("one piece and a byte", NAME, VERSION, total(16 * KIB + 1)),
  ofRelease("16 pieces of 16 KiB", NAME, VERSION, total(256 * KIB)),
  ofRelease("one byte more: 9 pieces of 32 KiB", NAME, VERSION, total(256 * KIB + 1)),
  ofRelease("16 pieces of 1 MiB", NAME, VERSION, total(16 * MIB)),
  ofRelease("17 pieces of 1 MiB, which a release does not carry", NAME, VERSION, total(16 * MIB + 1)),
  ofRelease("the largest", NAME, VERSION, { manifest: 32 * MIB, tarball: 512 * MIB })
]

const good = infoOf(NAME, VERSION, smallLengths)
const pieces = good["pieces"] as Uint8Array
const manifest: Fields = { length: 734, path: ["manifest.json"] }
const tarball: Fields = { length: 31, path: [`${NAME}-${VERSION}.tgz`] }

const refused = (name: string, reason: string, info: Field): Json => {
  const encoded = info instanceof Uint8Array ? info : bencode(info)
  return { name, info: hex(encoded), valid: false, reason }
}

const changed = (changes: Fields): Fields => ({ ...good, ...changes })
const files = (...list: ReadonlyArray<Fields>): Fields => changed({ files: list })
const named = (name: string | Uint8Array, path: ReadonlyArray<string>): Fields =>
  changed({ name, files: [manifest, { length: 31, path }] })

const invalid: ReadonlyArray<Json> = [
  refused("a private torrent", "an info dictionary has no key private", changed({ private: 1 })),
  refused("a source", "an info dictionary has no key source", changed({ source: "libreseed" })),
  refused("a file with attributes", "a file has length and path only", files({ ...manifest, attr: "x" }, tarball)),
  refused("a single file", "a release has two files", { ...without(good, "files"), length: 765 }),
  refused("a tarball alone", "a release has two files", files(tarball)),
  refused("three files", "a release has two files", files(manifest, tarball, { length: 0, path: ["more"] })),
  refused("the tarball first", "manifest.json comes first", files(tarball, manifest)),
  refused(
    "a manifest of another name",
    "the first file is manifest.json",
    files({ length: 734, path: ["Manifest.json"] }, tarball)
  ),
  refused(
    "a manifest in a directory",
    "a path has one part",
    files({ length: 734, path: ["x", "manifest.json"] }, tarball)
  ),
  refused("a path without parts", "a path has one part", files({ length: 734, path: [] }, tarball)),
  refused(
    "a tarball of another version",
    "the tarball is named as the directory is",
    files(manifest, { length: 31, path: [`${NAME}-1.3.1.tgz`] })
  ),
  refused("a directory that leads out", "a directory does not begin with a dot", named("..", ["...tgz"])),
  refused("a directory with a slash", "a directory has no slash", named("a/b-1.0.0", ["a/b-1.0.0.tgz"])),
  refused("a directory with a backslash", "a directory has no backslash", named("a\\b-1.0.0", ["a\\b-1.0.0.tgz"])),
  refused(
    "a directory with a NUL",
    "a directory has no control characters",
    named("a\u0000-1.0.0", ["a\u0000-1.0.0.tgz"])
  ),
  refused("a directory that is empty", "a directory has a name", named("", [".tgz"])),
  refused("a directory that is not in UTF-8", "a name is in UTF-8", named(Uint8Array.of(0xff), ["x.tgz"])),
  refused(
    "smaller pieces than could be",
    "a piece has the length that the size gives",
    changed({ "piece length": 8192 })
  ),
  refused(
    "larger pieces than are needed",
    "a piece has the length that the size gives",
    changed({ "piece length": 32_768 })
  ),
  refused("pieces of 0 bytes", "a piece has the length that the size gives", changed({ "piece length": 0 })),
  refused("a piece hash too many", "there is one hash for each piece", changed({ pieces: bytes(pieces, pieces) })),
  refused("no piece hashes", "there is one hash for each piece", changed({ pieces: new Uint8Array() })),
  refused(
    "a piece hash of 19 bytes",
    "there is one hash of 20 bytes for each piece",
    changed({ pieces: pieces.slice(1) })
  ),
  refused("a negative length", "a length is at least 0", files({ length: -1, path: ["manifest.json"] }, tarball)),
  refused(
    "nothing in it",
    "a torrent has at least one byte",
    files({ ...manifest, length: 0 }, { ...tarball, length: 0 })
  ),
  refused("more than 544 MiB", "a torrent has at most 544 MiB", {
    ...infoOf(NAME, VERSION, { manifest: 32 * MIB, tarball: 512 * MIB + 1 }),
    pieces: new Uint8Array()
  }),
  refused("keys out of order", "not canonical bencode", inOrder(Object.entries(good).toReversed())),
  refused("a length that begins with 0", "not canonical bencode", respelled("i734e", "i0734e")),
  refused("a byte behind it", "something follows the value", bytes(bencode(good), "e")),
  refused("a list", "an info dictionary is a dictionary", [good])
]

function respelled(from: string, to: string): Uint8Array {
  const [before, after] = Buffer.from(bencode(good)).toString("latin1").split(from) as [string, string]
  return new Uint8Array(Buffer.from(before + to + after, "latin1"))
}

/** Releases that are valid as records, but do not give the torrent that they name. */
const misfit = (name: string, reason: string, fields: Fields): Json => ({ name, release: hex(bencode(fields)), reason })

const sound = release(NAME, VERSION)

const misfits: ReadonlyArray<Json> = [
  misfit("piece hashes of another torrent", "the info dictionary's SHA-1 is not ih", {
    ...sound,
    p: some1("another piece")
  }),
  misfit("another infohash", "the info dictionary's SHA-1 is not ih", { ...sound, ih: some1("another infohash") }),
  misfit("other lengths", "the info dictionary's SHA-1 is not ih", { ...sound, s: [734, 32] }),
  misfit("the infohash of another version", "the info dictionary's SHA-1 is not ih", { ...sound, v: "1.3.1" }),
  misfit("a piece hash too many", "there is one hash for each piece", { ...sound, p: bytes(pieces, pieces) }),
  misfit("a piece hash too few", "there is one hash for each piece", { ...sound, s: [734, 16 * KIB] }),
  misfit("hashes of 16 pieces where there are 17", "there is one hash for each piece", {
    ...release(NAME, VERSION, total(16 * MIB + 1)),
    p: new Uint8Array(320)
  })
]

export const torrents: Json = {
  about: "Torrents of releases: docs/spec/torrents.md, 'The torrent'",
  cases: [...valid, ...invalid],
  misfits
}
