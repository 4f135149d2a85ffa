/**
 * How large a package archive may be, compressed and unpacked. Every limit is checked before the
 * bytes that would pass it are buffered or written. Sizes of DESIGN section 7 unless noted.
 */

/** All inclusive: an archive at the limit is accepted, one past it is refused. */
export interface ArchiveLimits {
  /** Bytes of the compressed archive. */
  readonly compressedBytes: number
  /** Bytes of all files together, and of the extended headers that name them. */
  readonly unpackedBytes: number
  /** Regular files. */
  readonly files: number
  /** Directories, whether they have an entry or only stand in a file's path. */
  readonly directories: number
  /** UTF-8 bytes of a path below the archive's root. */
  readonly pathBytes: number
  /** Components of a path below the archive's root (npm's own extractor had no limit: CVE-2024-28863). */
  readonly pathDepth: number
  /** Unpacked bytes per compressed byte, once more than a mebibyte is unpacked. Deflate ends at 1,032; packages stay below 100. */
  readonly ratio: number
  /** Bytes of `package.json`, which is held in memory. */
  readonly packageJsonBytes: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const defaults: ArchiveLimits = {
  compressedBytes: 512 * MIB,
  unpackedBytes: 2048 * MIB,
  files: 100_000,
  directories: 100_000,
  pathBytes: 1024,
  pathDepth: 128,
  ratio: 500,
  packageJsonBytes: 4 * MIB
}

/** The defaults with some of them replaced. */
export const withDefaults = (overrides: Partial<ArchiveLimits> | undefined): ArchiveLimits => ({
  ...defaults,
  ...overrides
})
