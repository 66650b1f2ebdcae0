using FastExit.Memory;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Memory;

public sealed class IndexListsTests
{
    [Fact]
    public void AgreesWithPlainLists()
    {
        const int Indexes = 50, Lists = 4, Steps = 1_000_000;
        var random = new SeededBytes(21);
        var lists = new IndexLists(Indexes, Lists);
        List<int>[] model = [.. Enumerable.Range(0, Lists).Select(_ => new List<int>())];
        for (int step = 0; step < Steps; step++)
        {
            int index = random.Below(Indexes), list = random.Below(Lists);
            foreach (List<int> plain in model)
                plain.Remove(index);
            if (random.Below(3) == 0)
            {
                lists.Remove(index);
                Assert.Equal(IndexLists.None, lists.ListOf(index));
            }
            else
            {
                lists.Append(list, index);
                model[list].Add(index);
                Assert.Equal(list, lists.ListOf(index));
            }

            for (int i = 0; i < Lists; i++)
                Assert.Equal(model[i].Count == 0 ? IndexLists.None : model[i][0], lists.Oldest(i));
        }

        // All of them come out in the order in which they went in.
        for (int i = 0; i < Lists; i++)
        {
            foreach (int index in model[i])
            {
                Assert.Equal(index, lists.Oldest(i));
                lists.Remove(index);
            }

            Assert.Equal(IndexLists.None, lists.Oldest(i));
        }
    }

    [Fact]
    public void NothingIsAllocated()
    {
        var lists = new IndexLists(100, 2);
        lists.Append(0, 1);
        lists.Remove(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100_000; i++)
        {
            lists.Append(i & 1, i % 100);
            lists.Remove((i * 7) % 100);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
