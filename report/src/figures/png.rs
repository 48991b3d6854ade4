//! PNG of a figure, by `resvg`, from the same SVG. The fonts are part of the program, so that every machine draws the same.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// Subsets of Inter (SIL Open Font License 1.1, `report/fonts/OFL.txt`).
const FONTS: [&[u8]; 2] =
    [include_bytes!("../../fonts/Inter-Regular-subset.otf"), include_bytes!("../../fonts/Inter-SemiBold-subset.otf")];

/// Pixels per unit of a figure: sharp on a projector and in print.
const SCALE: f32 = 2.0;

/// The longest side of an image.
const MAX_PIXELS: f32 = 16_384.0;

/// Draws one figure after the other with the same fonts.
pub(crate) struct PngRenderer {
    fonts: Arc<fontdb::Database>,
}

impl PngRenderer {
    pub(crate) fn new() -> Self {
        let mut fonts = fontdb::Database::new();
        FONTS.iter().for_each(|font| fonts.load_font_data(font.to_vec()));
        fonts.set_sans_serif_family("Inter");
        Self { fonts: Arc::new(fonts) }
    }

    /// The image of an SVG document.
    ///
    /// # Errors
    /// What the library refuses, in its words.
    pub(crate) fn render(&self, svg: &str) -> Result<Vec<u8>, String> {
        let options =
            Options { fontdb: Arc::clone(&self.fonts), font_family: "Inter".to_owned(), ..Options::default() };
        let tree = Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
        let size = tree.size();
        let scale = SCALE.min(MAX_PIXELS / size.width().max(size.height()));
        let pixels = |length: f32| (length * scale).ceil() as u32;
        let mut image =
            Pixmap::new(pixels(size.width()), pixels(size.height())).ok_or("the figure has no area".to_owned())?;
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut image.as_mut());
        image.encode_png().map_err(|error| error.to_string())
    }
}
