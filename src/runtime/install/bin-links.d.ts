declare module "bin-links" {
  interface Options {
    /** Directory of a package, directly in a `node_modules` or in a scope there. */
    readonly path: string
    readonly pkg: {
      readonly name: string
      readonly version: string
      readonly bin: { readonly [command: string]: string }
    }
    readonly top: boolean
    readonly global: boolean
    readonly force: boolean
  }
  interface BinLinks {
    (options: Options): Promise<unknown>
    /** Forgets which commands were linked: bin-links links each path once in a process. */
    resetSeen(): void
  }
  const binLinks: BinLinks
  export default binLinks
}
