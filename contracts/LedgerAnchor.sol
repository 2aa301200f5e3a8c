// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The roots of a gateway's log, kept where the gateway cannot take them back.
/// @notice The log is the Merkle tree of RFC 9162 with SHA-256: a leaf is hashed with 0x00 in front, a
/// node with 0x01. Sizes only grow, and each anchor names the root that it follows.
contract LedgerAnchor {
    /// Who may anchor; and who may say who may.
    address public anchorer;
    address public immutable admin;

    /// The newest anchor; before the first it is the tree of no leaves.
    uint64 public size;
    bytes32 public root;

    /// The root at every size that was anchored; 0 elsewhere.
    mapping(uint64 => bytes32) public rootAt;

    event Anchored(uint64 indexed size, bytes32 root, bytes32 previousRoot);
    event AnchorerChanged(address indexed anchorer);

    error NotAnchorer(address caller);
    error NotAdmin(address caller);
    error NotLarger(uint64 size, uint64 anchored);
    error OtherRoot(bytes32 previousRoot, bytes32 anchored);
    error NoRoot();

    constructor(address anchorer_) {
        admin = msg.sender;
        anchorer = anchorer_;
        root = sha256("");
        emit AnchorerChanged(anchorer_);
    }

    function setAnchorer(address anchorer_) external {
        if (msg.sender != admin) revert NotAdmin(msg.sender);
        anchorer = anchorer_;
        emit AnchorerChanged(anchorer_);
    }

    function anchor(uint64 size_, bytes32 root_, bytes32 previousRoot) external {
        if (msg.sender != anchorer) revert NotAnchorer(msg.sender);
        if (size_ <= size) revert NotLarger(size_, size);
        if (previousRoot != root) revert OtherRoot(previousRoot, root);
        if (root_ == 0) revert NoRoot();
        size = size_;
        root = root_;
        rootAt[size_] = root_;
        emit Anchored(size_, root_, previousRoot);
    }

    /// Is the leaf at `index` of the anchored tree with `treeSize` leaves? (RFC 9162, 2.1.3.2)
    function verifyInclusion(bytes32 leafHash, uint64 index, uint64 treeSize, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        bytes32 anchored = rootAt[treeSize];
        if (anchored == 0 || index >= treeSize) return false;
        uint64 here = index;
        uint64 last = treeSize - 1;
        bytes32 found = leafHash;
        for (uint256 i = 0; i < proof.length; i++) {
            if (last == 0) return false;
            if (here & 1 == 1 || here == last) {
                found = node(proof[i], found);
                while (here != 0 && here & 1 == 0) (here, last) = (here >> 1, last >> 1);
            } else {
                found = node(found, proof[i]);
            }
            (here, last) = (here >> 1, last >> 1);
        }
        return last == 0 && found == anchored;
    }

    /// Are the first `m` leaves the beginning of the first `n`, both anchored? (RFC 9162, 2.1.4.2)
    function verifyConsistency(uint64 m, uint64 n, bytes32[] calldata proof) external view returns (bool) {
        bytes32 rootM = rootAt[m];
        bytes32 rootN = rootAt[n];
        if (rootM == 0 || rootN == 0 || m == 0 || m > n) return false;
        if (m == n) return proof.length == 0;
        uint64 here = m - 1;
        uint64 last = n - 1;
        while (here & 1 == 1) (here, last) = (here >> 1, last >> 1);
        uint256 next = 0;
        bytes32 older = rootM;
        if (m & (m - 1) != 0) {
            if (proof.length == 0) return false;
            older = proof[0];
            next = 1;
        }
        bytes32 newer = older;
        for (; next < proof.length; next++) {
            if (last == 0) return false;
            bytes32 sibling = proof[next];
            if (here & 1 == 1 || here == last) {
                (older, newer) = (node(sibling, older), node(sibling, newer));
                while (here != 0 && here & 1 == 0) (here, last) = (here >> 1, last >> 1);
            } else {
                newer = node(newer, sibling);
            }
            (here, last) = (here >> 1, last >> 1);
        }
        return last == 0 && older == rootM && newer == rootN;
    }

    function node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
