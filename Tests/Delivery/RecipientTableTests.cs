using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Lanes;
using FastExit.Delivery;
using FastExit.Memory;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Delivery;

/// <summary>Tables of return addresses' keys: made for those that get many packets, and gone with them.</summary>
public sealed class RecipientTableTests : IDisposable
{
    private readonly MixLab _lab = new();
    private readonly LabClient _client;

    public RecipientTableTests() => _client = new LabClient(_lab);

    public void Dispose() => _lab.Dispose();

    [Fact]
    public void A_return_address_that_gets_many_packets_is_served_by_a_table()
    {
        using var exit = new ExitBench(_lab);
        Assert.True(exit.One.Replies.TryPeerFor(_client.Address, out int peer));
        for (int i = 1; i < RecipientTables.PacketsBefore; i++)
            Exchange(exit, peer, i);
        Assert.False(exit.One.Replies.WantsTable);
        Exchange(exit, peer, 1000);
        Assert.True(exit.One.Replies.WantsTable);
        Assert.Equal(0, exit.One.Clients.Tables.Count);
        exit.One.Replies.MakeTable();
        Assert.False(exit.One.Replies.WantsTable);
        Assert.Equal(1, exit.One.Clients.Tables.Count);
        ref Peer entry = ref exit.One.Clients.Peers[peer];
        Assert.True(exit.One.Clients.Tables.ForPacket(peer, ref entry)!.IsOf(_client.Address.EncryptionKey));
        for (int i = 1; i < 20; i++)
            Exchange(exit, peer, i);

        exit.One.Clients.Close(peer, Counter.Delivery_PeersExpired);
        Assert.Equal(0, exit.One.Clients.Tables.Count);
    }

    // A small subgroup, and a point of the twist, as a hostile client may give: it gets no table, and no second try.
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("0200000000000000000000000000000000000000000000000000000000000000")]
    public void A_key_without_a_table_keeps_to_the_ladder(string key)
    {
        using RecipientTables tables = new(2);
        PeerTable peers = new(4);
        int index = Open(peers, Convert.FromHexString(key));
        Ask(tables, peers, index);
        Assert.True(tables.IsWanted);
        tables.MakeOne(peers);
        Assert.Equal(PeerTableState.Impossible, peers[index].Table);
        Ask(tables, peers, index);
        Assert.False(tables.IsWanted);
        Assert.Equal(0, tables.Count);
    }

    [Fact]
    public void Places_are_bounded_and_come_back()
    {
        using RecipientTables tables = new(2);
        PeerTable peers = new(8);
        int[] open = [.. Enumerable.Range(1, 4).Select(i => Open(peers, MixLab.PublicKey(Key(i))))];
        foreach (int index in open)
            Ask(tables, peers, index);
        while (tables.IsWanted)
            tables.MakeOne(peers);
        Assert.Equal(2, tables.Count);
        Assert.Equal(2, open.Count(i => peers[i].Table == PeerTableState.Made));
        int gone = open.First(i => peers[i].Table == PeerTableState.Made);
        int next = open.First(i => peers[i].Table == PeerTableState.None);
        tables.Free(ref peers[gone]);
        peers.Close(gone);
        Ask(tables, peers, next);
        tables.MakeOne(peers);
        Assert.Equal(PeerTableState.Made, peers[next].Table);
        Assert.True(tables.ForPacket(next, ref peers[next])!.IsOf(peers[next].Recipient.EncryptionKey));
    }

    // The peer is gone, or another one is in its place, before its turn comes.
    [Fact]
    public void A_peer_that_left_while_it_waited_gets_none()
    {
        using RecipientTables tables = new(2);
        PeerTable peers = new(1);
        int index = Open(peers, MixLab.PublicKey(Key(1)));
        Ask(tables, peers, index);
        tables.Free(ref peers[index]);
        peers.Close(index);
        Assert.Equal(index, Open(peers, MixLab.PublicKey(Key(2))));
        tables.MakeOne(peers);
        Assert.False(tables.IsWanted);
        Assert.Equal((PeerTableState.None, 0), (peers[index].Table, tables.Count));
    }

    [SkippableFact]
    public void Making_tables_allocates_nothing()
    {
        Allocation.SkipIfUnoptimised();
        using RecipientTables tables = new(2);
        PeerTable peers = new(1);
        int index = Open(peers, MixLab.PublicKey(Key(1)));
        int made = 0;
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < RecipientTables.PacketsBefore; i++)
                tables.ForPacket(index, ref peers[index]);
            tables.MakeOne(peers);
            made += tables.Count;
            tables.Free(ref peers[index]);
        });
        Assert.True(made >= 4);
    }

    [Fact]
    public void A_table_is_of_the_key_that_it_was_made_for_last()
    {
        using X25519Table table = X25519Table.CreateEmpty();
        byte[] zero = new byte[32], one = MixLab.PublicKey(Key(1)), two = MixLab.PublicKey(Key(2));
        Assert.False(table.IsOf(zero));
        Assert.True(table.TryMake(one));
        Assert.True(table.TryMake(two));
        Assert.True(table.IsOf(two) && !table.IsOf(one));
        byte[] scalar = Key(3), expected = new byte[32], result = new byte[32];
        FastExit.Crypto.Primitives.X25519.MultiplyUnclamped(scalar, two, expected);
        FastExit.Crypto.Primitives.X25519.MultiplyTableLanes(scalar, [table], result, 1);
        Assert.Equal(expected, result);
        Assert.False(table.TryMake(zero));
        Assert.False(table.IsOf(two) || table.IsOf(zero));
        Assert.Throws<InvalidOperationException>(() => X25519Table.Base.TryMake(one));
    }

    private static byte[] Key(int i) => [.. Enumerable.Range(0, 32).Select(j => (byte)(i * 37 + j * 11))];

    private static void Ask(RecipientTables tables, PeerTable peers, int index)
    {
        for (int i = 0; i < RecipientTables.PacketsBefore; i++)
            Assert.Null(tables.ForPacket(index, ref peers[index]));
    }

    private int Open(PeerTable peers, byte[] key)
    {
        byte[] bytes = [.. _client.Identity, .. key, .. _lab.Entry.Identity];
        Assert.True(Recipient.TryRead(bytes, out Recipient recipient));
        Assert.True(peers.TryOpen(recipient, 1, out int index));
        return index;
    }

    private void Exchange(ExitBench exit, int peer, int connection)
    {
        byte[] data = [.. Enumerable.Range(0, 900).Select(i => (byte)(i * connection))];
        Assert.True(exit.One.Pool.TryRent(SlotClass.Regular, out SlotHandle slot));
        data.CopyTo(exit.One.Pool.Slot(slot)[ReplyLayout.MessageOffset..]);
        exit.One.Replies.SendInPlace(peer, slot, ReplyLayout.MessageOffset, data.Length, connection);
        ClientFragment fragment = Assert.Single(exit.Receive(_client));
        Assert.Equal(data, LabClient.Assemble([fragment])[1..]);
        exit.Acknowledge(fragment);
        Assert.Equal(0, exit.SlotsInUse);
    }
}
