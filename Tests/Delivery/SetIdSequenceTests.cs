using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Delivery;

public class SetIdSequenceTests
{
    /// <summary>What a client never forgets must never be sent again: of as many random ids a thousand would be.</summary>
    [Fact]
    public void No_core_and_no_service_repeats_an_id()
    {
        const int Cores = 3, Each = 350_000;
        var seen = new HashSet<uint>();
        for (int core = 0; core < Cores; core++)
        {
            for (int service = 0; service < 2; service++)
            {
                var ids = new SetIdSequence(core, Cores, service);
                for (int i = 0; i < Each; i++)
                {
                    uint id = ids.Next();
                    Assert.InRange(id, 1u, SetId.Maximum);
                    Assert.True(seen.Add(id), $"{id} came twice");
                }
            }
        }
    }

    [Fact]
    public void Every_id_comes_home()
    {
        for (int cores = 1; cores < 20; cores++)
        {
            for (int core = 0; core < cores; core++)
            {
                var ids = new SetIdSequence(core, cores, 0);
                for (int i = 0; i < 1000; i++)
                    Assert.Equal(core, SetHome.Of(ids.Next(), cores));
            }
        }
    }

    /// <summary>Neighbours differ in half of their bits, so what is between two ids cannot be counted from them.</summary>
    [Fact]
    public void Neighbours_are_far_apart()
    {
        const int Count = 100_000;
        int[] flips = new int[31];
        for (uint i = 0; i < Count; i++)
        {
            uint difference = SetIdSequence.Permute(i) ^ SetIdSequence.Permute(i + 1);
            for (int bit = 0; bit < flips.Length; bit++)
                flips[bit] += (int)(difference >> bit & 1);
        }

        Assert.All(flips, count => Assert.InRange(count, Count * 45 / 100, Count * 55 / 100));
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        var ids = new SetIdSequence(1, 2, 1);
        Allocation.AssertNone(() => ids.Next());
    }
}
