/** The version of the package that this command was built from. The build puts the text in. */
declare const __LIBRESEED_VERSION__: string | undefined

export const VERSION: string = typeof __LIBRESEED_VERSION__ === "string" ? __LIBRESEED_VERSION__ : "0.0.0-source"
