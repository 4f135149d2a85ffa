/**
 * Reads a tar archive as it arrives, in any slicing and in bounded memory. Made for package archives,
 * so that no two readers can see different files in what it accepts: every oddity that node-tar and
 * others skip, merge or repair (extended headers in a row, sizes that differ, sparse files, data on
 * directories, missing or early ends, trailing entries) is an error here.
 */
import * as Result from "effect/Result"
import { type ArchiveReason, ForbiddenEntry, MalformedArchive, UnsafePath } from "./ArchiveError.ts"
import * as PaxRecords from "./PaxRecords.ts"
import * as TarHeader from "./TarHeader.ts"

/** A regular file or a directory, with its name as written. `metaBytes` is what its extended header took. */
export interface TarEntry {
  readonly path: string
  readonly isFile: boolean
  readonly size: number
  readonly mode: number
  readonly metaBytes: number
}

/** The data of an entry arrives in pieces, which are views into the bytes that were pushed. */
export type TarEvent =
  | { readonly _tag: "Entry"; readonly entry: TarEntry }
  | { readonly _tag: "Data"; readonly bytes: Uint8Array }
  | { readonly _tag: "EntryEnd" }

/** Extended headers are held in memory; the same cap as node-tar's `maxMetaEntrySize`, in bytes. */
const MAX_META_BYTES = 1024 * 1024
/** Zeros behind the end of an archive; GNU tar pads to 10 KiB, the largest blocking in use is far below this. */
const MAX_PADDING_BYTES = 1024 * 1024

const TYPE_NAMES: Readonly<Record<string, string>> = {
  "1": "hard link",
  "2": "symbolic link",
  "3": "character device",
  "4": "block device",
  "6": "fifo",
  "7": "contiguous file",
  K: "link with a long name",
  S: "sparse file",
  M: "part of a multi-volume archive",
  V: "volume header",
  N: "long name of an old form",
  D: "directory dump"
}

/** What an `x` or `L` header said about the entry that follows it. */
interface Override {
  readonly path: string | undefined
  readonly size: number | undefined
  readonly isLink: boolean
  readonly metaBytes: number
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const lossyUtf8 = new TextDecoder("utf-8", { ignoreBOM: true })

type Step<A = void> = Result.Result<A, ArchiveReason>
const done: Step = Result.succeed(undefined)

export class TarReader {
  private readonly archive: string
  private state: "header" | "meta" | "data" | "end" = "header"
  private readonly block = new Uint8Array(TarHeader.BLOCK_BYTES)
  private blockBytes = 0
  /** Bytes of data, and of padding behind it, that are still to come. */
  private dataLeft = 0
  private paddingLeft = 0
  private metaType = ""
  private meta: Array<Uint8Array> = []
  private override: Override | undefined
  private sawEntry = false
  private sawGlobal = false
  private endBytes = 0
  private events: Array<TarEvent> = []

  constructor(archive: string) {
    this.archive = archive
  }

  /** Takes the next bytes and tells what they held. A failed reader is of no further use. */
  push(bytes: Uint8Array): Step<ReadonlyArray<TarEvent>> {
    for (let at = 0; at < bytes.length;) {
      const before = at
      if (this.state === "end") {
        at = bytes.length
        const step = this.takeEnd(bytes.subarray(before))
        if (Result.isFailure(step)) return Result.fail(step.failure)
      } else if (this.dataLeft > 0) {
        at += Math.min(this.dataLeft, bytes.length - at)
        const step = this.takeData(bytes.subarray(before, at))
        if (Result.isFailure(step)) return Result.fail(step.failure)
      } else if (this.paddingLeft > 0) {
        at += Math.min(this.paddingLeft, bytes.length - at)
        this.paddingLeft -= at - before
      } else {
        at += Math.min(TarHeader.BLOCK_BYTES - this.blockBytes, bytes.length - at)
        const step = this.takeHeader(bytes.subarray(before, at))
        if (Result.isFailure(step)) return Result.fail(step.failure)
      }
    }
    const events = this.events
    this.events = []
    return Result.succeed(events)
  }

  /** Ends the archive, which must have come to its two blocks of zeros: a cut archive never looks whole. */
  finish(): Step {
    return this.state === "end" &&
      this.endBytes >= 2 * TarHeader.BLOCK_BYTES &&
      this.endBytes % TarHeader.BLOCK_BYTES === 0
      ? done
      : this.malformed("it is cut off")
  }

  private takeHeader(bytes: Uint8Array): Step {
    this.block.set(bytes, this.blockBytes)
    this.blockBytes += bytes.length
    if (this.blockBytes < TarHeader.BLOCK_BYTES) return done
    this.blockBytes = 0
    if (TarHeader.isZero(this.block)) {
      if (this.override !== undefined) return this.malformed("an extended header has no entry")
      this.state = "end"
      this.endBytes = TarHeader.BLOCK_BYTES
      return done
    }
    const header = TarHeader.decode(this.block)
    return Result.isFailure(header) ? this.malformed(header.failure) : this.begin(header.success)
  }

  private begin(header: TarHeader.TarHeader): Step {
    switch (header.typeflag) {
      case "x":
      case "g":
      case "L":
        return this.beginMeta(header)
      case "0":
      case "\0":
      case "5":
        return this.beginEntry(header)
      default: {
        const type = TYPE_NAMES[header.typeflag] ?? "entry of unknown type"
        return Result.fail(new ForbiddenEntry({ archive: this.archive, entry: this.nameForMessage(header), type }))
      }
    }
  }

  private beginMeta(header: TarHeader.TarHeader): Step {
    if (this.override !== undefined) return this.malformed("it has two extended headers in a row")
    // One in front is what `git archive` writes; later ones would change what some readers see.
    if (header.typeflag === "g" && (this.sawGlobal || this.sawEntry)) {
      return this.malformed("a global extended header does not come first")
    }
    if (header.size > MAX_META_BYTES) return this.malformed(`an extended header is larger than ${MAX_META_BYTES} bytes`)
    if (header.size === 0) return this.malformed("an extended header is empty")
    this.state = "meta"
    this.metaType = header.typeflag
    this.meta = []
    this.expect(header.size)
    return done
  }

  private beginEntry(header: TarHeader.TarHeader): Step {
    const { override } = this
    const isFile = header.typeflag !== "5"
    this.override = undefined
    this.sawEntry = true
    let path = override?.path
    if (path === undefined) {
      const decoded = this.decodeName(header.name)
      if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
      path = decoded.success
    }
    if (override?.isLink === true) {
      return Result.fail(new ForbiddenEntry({ archive: this.archive, entry: path, type: "link" }))
    }
    if (override?.size !== undefined && override.size !== header.size) {
      return this.malformed("its header and its extended header differ in size", path)
    }
    if (!isFile && header.size !== 0) return this.malformed("a directory has data", path)
    // V7 knew directories by a slash at the end; with a file's type flag, readers disagree on what it is.
    if (isFile && path.endsWith("/")) return this.malformed("a file has the name of a directory", path)
    const entry = { path, isFile, size: header.size, mode: header.mode, metaBytes: override?.metaBytes ?? 0 }
    this.events.push({ _tag: "Entry", entry })
    if (header.size === 0) this.events.push({ _tag: "EntryEnd" })
    this.state = "data"
    this.expect(header.size)
    return done
  }

  private expect(size: number): void {
    this.dataLeft = size
    this.paddingLeft = (TarHeader.BLOCK_BYTES - (size % TarHeader.BLOCK_BYTES)) % TarHeader.BLOCK_BYTES
  }

  private takeData(bytes: Uint8Array): Step {
    this.dataLeft -= bytes.length
    if (this.state === "data") {
      this.events.push({ _tag: "Data", bytes })
      if (this.dataLeft === 0) this.events.push({ _tag: "EntryEnd" })
      return done
    }
    this.meta.push(bytes.slice())
    return this.dataLeft === 0 ? this.endMeta(Buffer.concat(this.meta)) : done
  }

  private endMeta(bytes: Uint8Array): Step {
    this.meta = []
    this.state = "header"
    const metaBytes = bytes.length
    if (this.metaType === "L") {
      const path = this.decodeName(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes)
      if (Result.isFailure(path)) return Result.fail(path.failure)
      this.override = { path: path.success, size: undefined, isLink: false, metaBytes }
      return done
    }
    const records = PaxRecords.decode(bytes)
    if (Result.isFailure(records)) return this.malformed(records.failure)
    if (this.metaType === "x") {
      this.override = { ...records.success, metaBytes }
      return done
    }
    this.sawGlobal = true
    const { path, size, isLink } = records.success
    return path === undefined && size === undefined && !isLink
      ? done
      : this.malformed("a global extended header renames or resizes every entry")
  }

  private takeEnd(bytes: Uint8Array): Step {
    if (!TarHeader.isZero(bytes)) return this.malformed("it has data behind its end")
    this.endBytes += bytes.length
    return this.endBytes > MAX_PADDING_BYTES ? this.malformed("zeros without end follow its end") : done
  }

  private decodeName(name: Uint8Array): Step<string> {
    try {
      return Result.succeed(utf8.decode(name))
    } catch {
      const entry = lossyUtf8.decode(name)
      return Result.fail(new UnsafePath({ archive: this.archive, entry, problem: "has a name that is not UTF-8" }))
    }
  }

  private nameForMessage(header: TarHeader.TarHeader): string {
    return this.override?.path ?? lossyUtf8.decode(header.name)
  }

  private malformed(problem: string, entry?: string): Step<never> {
    return Result.fail(
      new MalformedArchive({ archive: this.archive, problem, ...(entry === undefined ? {} : { entry }) })
    )
  }
}
