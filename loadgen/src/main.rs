//! `wssbench`: see the library.

fn main() -> std::process::ExitCode {
    wssbench::main()
}
