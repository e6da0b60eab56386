//! An agreement as a PDF: A4 pages in Helvetica, which every reader brings along, tagged so that screen readers find the
//! headings.

use jiff::civil::Date;
use pdf_writer::types::{ArtifactType, StructRole};
use pdf_writer::writers::StructTreeRoot;
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::avtale::{Blokk, InvalidAvtale};

/// A4 in points.
const PAGE: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 72.0;
/// How far the items of a list stand from the margin.
const INDENT: f32 = 14.0;
/// Where the number of the page stands, from below.
const FOOT: f32 = 40.0;
const LEADING: f32 = 1.4;
const REGULAR: Name<'_> = Name(b"F1");
const BOLD: Name<'_> = Name(b"F2");

/// How a block is set.
#[derive(Clone, Copy)]
struct Style {
    role: StructRole,
    bold: bool,
    size: f32,
    /// Room above it, left out at the top of a page.
    above: f32,
    indent: f32,
    bullet: bool,
}

const TITLE: Style =
    Style { role: StructRole::H1, bold: true, size: 20.0, above: 0.0, indent: 0.0, bullet: false };
const HEADING: Style =
    Style { role: StructRole::H2, bold: true, size: 13.0, above: 16.0, indent: 0.0, bullet: false };
const TEXT: Style =
    Style { role: StructRole::P, bold: false, size: 10.5, above: 7.0, indent: 0.0, bullet: false };
const ITEM: Style = Style { above: 3.0, indent: INDENT, bullet: true, ..TEXT };

/// A line with its place on a page.
struct Line {
    page: usize,
    y: f32,
    text: Vec<u8>,
    /// The first one of its block has the bullet.
    first: bool,
}

/// A block with its lines.
struct Laid {
    style: Style,
    lines: Vec<Line>,
}

/// Makes the file.
///
/// # Errors
/// [`InvalidAvtale::Character`].
pub(super) fn write(
    navn: &str,
    versjon: &str,
    dato: Date,
    blokker: &[Blokk],
) -> Result<Vec<u8>, InvalidAvtale> {
    let facts = format!("Versjon {versjon}, {}", dato.strftime("%d.%m.%Y"));
    let mut layout = Layout::default();
    layout.add(TITLE, navn)?;
    layout.add(TEXT, &facts)?;
    for blokk in blokker {
        match blokk {
            Blokk::Overskrift(text) => layout.add(HEADING, text)?,
            Blokk::Avsnitt(text) => layout.add(TEXT, text)?,
            Blokk::Liste(items) => items.iter().try_for_each(|item| layout.add(ITEM, item))?,
        }
    }
    Ok(layout.write(navn))
}

#[derive(Default)]
struct Layout {
    blocks: Vec<Laid>,
    pages: usize,
    /// Where the last line stands, from below.
    y: f32,
}

impl Layout {
    fn add(&mut self, style: Style, text: &str) -> Result<(), InvalidAvtale> {
        let width = PAGE.0 - 2.0 * MARGIN - style.indent;
        let lines = wrap(&encode(text)?, style, width);
        let height = style.size * LEADING;
        // A heading stays with the first lines below it.
        let room = if style.role == StructRole::H2 { height * 3.0 } else { height };
        let mut above = style.above;
        let mut laid = Laid { style, lines: Vec::with_capacity(lines.len()) };
        for (at, text) in lines.into_iter().enumerate() {
            let needed = if at == 0 { room } else { height };
            if self.pages == 0 || self.y - above - needed < MARGIN {
                self.pages += 1;
                self.y = PAGE.1 - MARGIN;
                above = 0.0;
            }
            self.y -= above + height;
            above = 0.0;
            laid.lines.push(Line { page: self.pages - 1, y: self.y, text, first: at == 0 });
        }
        self.blocks.push(laid);
        Ok(())
    }

    fn write(&self, title: &str) -> Vec<u8> {
        let mut last = 0;
        let mut next = || {
            last += 1;
            Ref::new(last)
        };
        let [catalog, tree, regular, bold, info, structure, document] = [(); 7].map(|()| next());
        let pages: Vec<[Ref; 3]> = (0..self.pages).map(|_| [(); 3].map(|()| next())).collect();
        let elements: Vec<Ref> = self.blocks.iter().map(|_| next()).collect();

        let mut contents: Vec<Content> = pages.iter().map(|_| Content::new()).collect();
        // Of each page, which element each of its marked pieces belongs to; of each element, its pieces.
        let mut marks: Vec<Vec<Ref>> = vec![Vec::new(); self.pages];
        let mut pieces: Vec<Vec<(usize, i32)>> = Vec::with_capacity(self.blocks.len());
        for (block, element) in self.blocks.iter().zip(&elements) {
            let mut own: Vec<(usize, i32)> = Vec::new();
            for lines in block.lines.chunk_by(|a, b| a.page == b.page) {
                let Some(page) = lines.first().map(|line| line.page) else { continue };
                let (Some(content), Some(marks)) = (contents.get_mut(page), marks.get_mut(page)) else {
                    continue;
                };
                let id = i32::try_from(marks.len()).unwrap_or(i32::MAX);
                marks.push(*element);
                own.push((page, id));
                content
                    .begin_marked_content_with_properties(block.style.role.to_name())
                    .properties()
                    .identify(id);
                for line in lines {
                    show(content, block.style, line);
                }
                content.end_marked_content();
            }
            pieces.push(own);
        }

        let mut pdf = Pdf::new();
        let mut root = pdf.catalog(catalog);
        root.pages(tree).lang(TextStr("nb"));
        root.viewer_preferences().display_doc_title(true);
        root.mark_info().marked(true);
        root.pair(Name(b"StructTreeRoot"), structure);
        root.finish();
        let mut top = pdf.indirect(structure).start::<StructTreeRoot<'_>>();
        top.child(document).parent_tree_next_key(number(self.pages));
        let mut parents = top.parent_tree();
        let mut nums = parents.nums();
        for (at, [.., of_page]) in pages.iter().enumerate() {
            nums.insert(number(at), *of_page);
        }
        nums.finish();
        parents.finish();
        top.finish();
        pdf.document_info(info).title(TextStr(title));
        pdf.pages(tree).kids(pages.iter().map(|[page, ..]| *page)).count(number(self.pages));
        for (at, (([page, content, parents], drawn), marks)) in
            pages.iter().zip(contents).zip(marks).enumerate()
        {
            let mut drawn = drawn;
            page_number(&mut drawn, at + 1, self.pages);
            let mut leaf = pdf.page(*page);
            leaf.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).parent(tree).contents(*content);
            leaf.struct_parents(number(at));
            leaf.resources().fonts().pair(REGULAR, regular).pair(BOLD, bold);
            leaf.finish();
            pdf.stream(*content, &drawn.finish());
            pdf.indirect(*parents).array().items(marks);
        }
        let mut whole = pdf.struct_element(document);
        whole.kind(StructRole::Document).parent(structure);
        let mut children = whole.children();
        for element in &elements {
            children.struct_element(*element);
        }
        children.finish();
        whole.finish();
        for ((block, element), pieces) in self.blocks.iter().zip(&elements).zip(pieces) {
            let mut written = pdf.struct_element(*element);
            written.kind(block.style.role).parent(document);
            let mut children = written.children();
            for (page, id) in pieces {
                let mut piece = children.marked_content_ref();
                if let Some([page, ..]) = pages.get(page) {
                    piece.page(*page);
                }
                piece.marked_content_id(id);
            }
        }
        for (font, name) in [(regular, Name(b"Helvetica")), (bold, Name(b"Helvetica-Bold"))] {
            pdf.type1_font(font).base_font(name).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        pdf.finish()
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn show(content: &mut Content, style: Style, line: &Line) {
    let font = if style.bold { BOLD } else { REGULAR };
    content.begin_text().set_font(font, style.size);
    if style.bullet && line.first {
        content.next_line(MARGIN, line.y).show(Str(&[BULLET])).next_line(style.indent, 0.0);
    } else {
        content.next_line(MARGIN + style.indent, line.y);
    }
    content.show(Str(&line.text)).end_text();
}

fn page_number(content: &mut Content, number: usize, of: usize) {
    let text = format!("Side {number} av {of}");
    // No part of the text.
    content
        .begin_marked_content_with_properties(Name(b"Artifact"))
        .properties()
        .artifact()
        .kind(ArtifactType::Pagination);
    content.begin_text().set_font(REGULAR, 9.0).next_line(MARGIN, FOOT).show(Str(text.as_bytes())).end_text();
    content.end_marked_content();
}

const BULLET: u8 = 0x95;

/// The text in the encoding of the fonts, WinAnsiEncoding (ISO 32000-1, annex D.2).
fn encode(text: &str) -> Result<Vec<u8>, InvalidAvtale> {
    text.chars().map(|character| byte_of(character).ok_or(InvalidAvtale::Character(character))).collect()
}

fn byte_of(character: char) -> Option<u8> {
    Some(match character {
        // What looks the same in print.
        '\t' | '\u{a0}' | '\u{202f}' => b' ',
        '\u{2010}' | '\u{2011}' => b'-',
        '\u{20}'..='\u{7e}' | '\u{a1}'..='\u{ff}' => u8::try_from(u32::from(character)).ok()?,
        '€' => 0x80,
        '‚' => 0x82,
        '„' => 0x84,
        '…' => 0x85,
        'Š' => 0x8a,
        'Ž' => 0x8e,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => BULLET,
        '–' => 0x96,
        '—' => 0x97,
        'š' => 0x9a,
        'ž' => 0x9e,
        _ => return None,
    })
}

/// Breaks a text into lines. A word wider than a line has a line of its own.
fn wrap(text: &[u8], style: Style, width: f32) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut used = 0.0;
    let measure =
        |word: &[u8]| word.iter().map(|byte| advance(*byte, style.bold)).sum::<f32>() * style.size / 1000.0;
    for word in text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let (wide, blank) = (measure(word), measure(b" "));
        match lines.last_mut() {
            Some(line) if used + blank + wide <= width => {
                line.push(b' ');
                line.extend_from_slice(word);
                used += blank + wide;
            }
            _ => {
                lines.push(word.to_vec());
                used = wide;
            }
        }
    }
    lines
}

/// Widths of the characters from blank to tilde, in thousandths of the size (Adobe's metrics of the standard fonts).
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
const BOLD_WIDTHS: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278,
    556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584,
    556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556,
    333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// How wide a character is. Of those beyond ASCII, that of the widest of its kind: a line may end early, never too late.
fn advance(byte: u8, bold: bool) -> f32 {
    let widths = if bold { &BOLD_WIDTHS } else { &WIDTHS };
    let ascii = byte.checked_sub(b' ').and_then(|at| widths.get(usize::from(at)));
    f32::from(ascii.copied().unwrap_or(match byte {
        BULLET => 350,
        // Æ, and what is as wide: — … ‰ ¼ ½ ¾ ™.
        0x85 | 0x89 | 0x97 | 0x99 | 0xbc..=0xbe | 0xc6 => 1000,
        0xe6 => 889,
        // Capital letters and ©, ®.
        0x8a | 0x8e | 0xa9 | 0xae | 0xc0..=0xde => 778,
        _ => 611,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(blokker: &[Blokk]) -> Vec<u8> {
        write("Avtale om «æøå»", "1.0", jiff::civil::date(2026, 11, 22), blokker).unwrap()
    }

    fn has(pdf: &[u8], wanted: &[u8]) -> bool {
        pdf.windows(wanted.len()).any(|window| window == wanted)
    }

    #[test]
    fn text_stands_in_the_file_in_the_encoding_of_its_fonts() {
        let pdf = small(&[Blokk::Avsnitt("Blåbær – 5 €".to_owned())]);
        assert!(pdf.starts_with(b"%PDF-") && has(&pdf, b"%%EOF"));
        // Beyond ASCII a text stands in hexadecimal.
        assert!(has(&pdf, b"<426CE562E672209620352080>"));
        assert!(has(&pdf, b"Versjon 1.0, 22.11.2026"));
        assert!(has(&pdf, b"Side 1 av 1"));
    }

    #[test]
    fn long_text_goes_on_on_the_next_page() {
        let pdf = small(&vec![Blokk::Avsnitt("Et avsnitt med noen ord i. ".repeat(40)); 20]);
        assert!(has(&pdf, b"Side 6 av 6"));
    }

    #[test]
    fn no_line_is_wider_than_the_page_and_no_word_is_lost() {
        let words = "Ord Ææøå «sitat» mmmm iiii WWWW ".repeat(30);
        let lines = wrap(&encode(&words).unwrap(), TEXT, 200.0);
        for line in &lines {
            let wide: f32 = line.iter().map(|byte| advance(*byte, false)).sum();
            assert!(wide * TEXT.size / 1000.0 <= 200.5);
        }
        assert_eq!(lines.join(&b' '), encode(words.trim()).unwrap());
    }
}
