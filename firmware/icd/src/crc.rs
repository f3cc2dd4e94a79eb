/// CRC-32 of IEEE 802.3: reflected, polynomial EDB88320, initial value and final xor FFFFFFFF. `crc32(b"123456789")` is
/// CBF43926. A table of sixteen words: small enough for the microcontroller, fast enough for its link.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(bytes);
    crc.finish()
}

/// The same, piece by piece.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

impl Crc32 {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |crc, &b| {
            let crc = crc ^ u32::from(b);
            let crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
            (crc >> 4) ^ TABLE[(crc & 15) as usize]
        });
    }

    /// The CRC of all pieces.
    pub fn finish(self) -> u32 {
        !self.0
    }
}

const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut c = i as u32;
        let mut bit = 0;
        while bit < 4 {
            c = if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 };
            bit += 1;
        }
        table[i] = c;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_catalogue_of_crcs_holds() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(super::crc32(b""), 0);
    }
}
