/** npm-packlist 11 brings no types; only what packing uses is declared. */
declare module "npm-packlist" {
  interface Tree {
    /** Absolute path of the package. */
    readonly path: string
    readonly package: Readonly<Record<string, unknown>>
    readonly isProjectRoot: boolean
    /** Resolved dependencies, from which bundled ones are taken. */
    readonly edgesOut: ReadonlyMap<string, never>
  }
  /** The package's files, `/`-separated and relative to it; links and devices are left out. */
  export default function packlist(tree: Tree): Promise<ReadonlyArray<string>>
}
