//! Draws every sample of every page into a folder, with its static files, to
//! be looked at: `cargo run -p bllvm-web --example gallery -- <folder>`.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("say where: gallery <folder>")?;
    std::fs::create_dir_all(folder.join("assets"))?;
    for asset in bllvm_web::assets::all() {
        std::fs::write(folder.join("assets").join(&asset.file_name), asset.bytes)?;
    }
    let drawn = bllvm_web::samples::draw_all()?;
    for page in &drawn {
        std::fs::write(folder.join(format!("{}.html", page.name)), &page.html)?;
    }
    println!("{} pages in {}", drawn.len(), folder.display());
    Ok(())
}
