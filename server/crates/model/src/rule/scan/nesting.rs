//! How deep the tree gets that a parser will make of the text, counted before there is one.

/// What is open within one pair of brackets: an upper bound of the depth of the tree that a parser makes of it.
pub(super) struct Nesting {
    pub bracket: u8,
    pub position: usize,
    /// Per precedence, loosest first: operators of the chain so far, and the deepest of their operands.
    chains: [(usize, usize); 8],
    /// Where each `?` stands that has no `:` yet.
    pub conditions: Vec<usize>,
    /// Depth of the last operand.
    pub operand: usize,
    /// Depth of the deepest part between commas.
    pub deepest: usize,
}

impl Nesting {
    pub fn new(bracket: u8, position: usize) -> Self {
        Self { bracket, position, chains: [(0, 0); 8], conditions: Vec::new(), operand: 0, deepest: 0 }
    }

    pub fn operator(&mut self, precedence: usize) {
        let depth = self.collapse(precedence + 1);
        let chain = &mut self.chains[precedence];
        chain.0 += 1;
        chain.1 = chain.1.max(depth);
    }

    /// The `:` of a condition, whose `?` was counted.
    pub fn part(&mut self) {
        self.chains[0].1 = self.chains[0].1.max(self.collapse(1));
    }

    /// A run of signs or negations is one node.
    pub fn sign(&mut self) {
        self.chains[6].0 = 1;
    }

    pub fn finish(&mut self) {
        self.deepest = self.deepest.max(self.collapse(0));
    }

    /// Ends the chains that bind at least as close as `from`; their depth.
    fn collapse(&mut self, from: usize) -> usize {
        let mut depth = std::mem::take(&mut self.operand);
        for (precedence, chain) in self.chains.iter_mut().enumerate().skip(from).rev() {
            let (operators, operands) = std::mem::take(chain);
            depth = depth.max(operands) + levels(precedence, operators);
        }
        depth
    }
}

/// Levels that a chain of operators adds: one each, but `&&` and `||` are balanced into a tree.
fn levels(precedence: usize, operators: usize) -> usize {
    match (precedence, operators.checked_ilog2()) {
        (1 | 2, Some(log)) => log as usize + 1,
        _ => operators,
    }
}
