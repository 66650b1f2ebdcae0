using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace FastExit.Crypto.Noise;

/// <summary>AES-256-GCM over messages that come and go in pieces.</summary>
/// <remarks>
/// <para>References: SP 800-38D §7.1, §7.2; Noise specification §12.3 (nonce: 4 zero bytes, 64-bit big-endian number).</para>
/// <para>Parameters: key 32 bytes, nonce a number, tag 16 bytes. <see cref="Begin"/>, then <see cref="Encrypt"/> or <see cref="Decrypt"/>
/// with pieces of any length, each in place or from one buffer to another, then <see cref="Finish"/> or <see cref="Verify"/>. What
/// <see cref="Decrypt"/> gave out is worth nothing until <see cref="Verify"/> said yes. A message has at most 2^32 - 2 blocks, which no
/// caller comes near.</para>
/// <para>Constant time: x86's AES and carry-less multiplication, 8 blocks in flight; elsewhere the system's AES and integer products
/// (<see cref="PortableGcm"/>). Nothing is allocated after the first key, but by that fallback.</para>
/// </remarks>
[SkipLocalsInit]
public sealed unsafe class AesGcmStream
{
    /// <summary>Bytes of a key and of a tag.</summary>
    public const int KeyBytes = AesGcmKey.KeyBytes, TagBytes = 16;

    private const int BlockBytes = AesGcmKernel.BlockBytes;

    private readonly PortableGcm? _portable;
    private AesGcmKey _key;
    private Vector128<byte> _counterBlock, _sum, _keyStream, _ciphertext;
    private uint _counter;
    private int _partial;
    private ulong _dataBytes, _associatedBytes;

    public AesGcmStream()
        : this(portable: !AesGcmKernel.IsSupported)
    {
    }

    internal AesGcmStream(bool portable) => _portable = portable ? new PortableGcm() : null;

    public void SetKey(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyBytes);
        if (_portable is not null)
        {
            _portable.SetKey(key);
            return;
        }

        fixed (byte* bytes = key)
        fixed (AesGcmKey* expanded = &_key)
            AesGcmKernel.ExpandKey(bytes, expanded);
    }

    /// <summary>Forgets the key.</summary>
    public void Clear()
    {
        _key = default;
        _keyStream = _ciphertext = _sum = default;
        _portable?.SetKey(stackalloc byte[KeyBytes]);
    }

    /// <summary>Starts a message.</summary>
    public void Begin(ulong nonce, ReadOnlySpan<byte> associated)
    {
        _counterBlock = Vector128.Create(0UL, 0).AsByte();
        Span<byte> block = MemoryMarshal.AsBytes(new Span<Vector128<byte>>(ref _counterBlock));
        BinaryPrimitives.WriteUInt64BigEndian(block[4..], nonce);
        Start(associated);
    }

    /// <summary>Starts a message with a nonce of 12 bytes.</summary>
    internal void Begin(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated)
    {
        _counterBlock = default;
        nonce[..12].CopyTo(MemoryMarshal.AsBytes(new Span<Vector128<byte>>(ref _counterBlock)));
        Start(associated);
    }

    /// <summary>The next bytes of the plaintext.</summary>
    public void Encrypt(ReadOnlySpan<byte> source, Span<byte> destination) => Crypt(source, destination, encrypts: true);

    /// <summary>The next bytes of the ciphertext.</summary>
    public void Decrypt(ReadOnlySpan<byte> source, Span<byte> destination) => Crypt(source, destination, encrypts: false);

    /// <summary>Ends a message that was encrypted.</summary>
    public void Finish(Span<byte> tag)
    {
        if (_partial > 0)
            HashPartial();
        Span<byte> block = stackalloc byte[BlockBytes];
        BinaryPrimitives.WriteUInt64BigEndian(block, _associatedBytes * 8);
        BinaryPrimitives.WriteUInt64BigEndian(block[8..], _dataBytes * 8);
        Hash(block);
        (KeyStream(1) ^ _sum).CopyTo(tag);
    }

    /// <summary>Ends a message that was decrypted; false: all of it is forged or broken.</summary>
    public bool Verify(ReadOnlySpan<byte> tag)
    {
        Span<byte> expected = stackalloc byte[TagBytes];
        Finish(expected);
        return CryptographicOperations.FixedTimeEquals(expected, tag);
    }

    private void Start(ReadOnlySpan<byte> associated)
    {
        _counter = 2;
        _partial = 0;
        _dataBytes = 0;
        _associatedBytes = (ulong)associated.Length;
        _sum = default;
        int whole = associated.Length & -BlockBytes;
        if (whole > 0)
            Hash(associated[..whole]);
        if (whole == associated.Length)
            return;
        Span<byte> last = stackalloc byte[BlockBytes];
        last.Clear();
        associated[whole..].CopyTo(last);
        Hash(last);
    }

    private void Crypt(ReadOnlySpan<byte> source, Span<byte> destination, bool encrypts)
    {
        destination = destination[..source.Length];
        _dataBytes += (ulong)source.Length;
        if (_partial > 0)
        {
            int head = Math.Min(BlockBytes - _partial, source.Length);
            CryptPartial(source[..head], destination, encrypts);
            source = source[head..];
            destination = destination[head..];
        }

        int whole = source.Length & -BlockBytes;
        if (whole > 0)
        {
            CryptBlocks(source[..whole], destination, encrypts);
            source = source[whole..];
            destination = destination[whole..];
        }

        if (source.IsEmpty)
            return;
        _keyStream = KeyStream(_counter++);
        _ciphertext = default;
        CryptPartial(source, destination, encrypts);
    }

    private void CryptBlocks(ReadOnlySpan<byte> source, Span<byte> destination, bool encrypts)
    {
        int blocks = source.Length / BlockBytes;
        if (_portable is not null)
        {
            _portable.Crypt(Bytes(ref _counterBlock), _counter, Bytes(ref _sum), source, destination, encrypts);
        }
        else
        {
            fixed (AesGcmKey* key = &_key)
            fixed (byte* from = source, to = destination)
                _sum = AesGcmKernel.Crypt(key, _counterBlock, _counter, _sum, from, to, blocks, encrypts);
        }

        _counter += (uint)blocks;
    }

    private void CryptPartial(ReadOnlySpan<byte> source, Span<byte> destination, bool encrypts)
    {
        Span<byte> stream = Bytes(ref _keyStream)[_partial..], ciphertext = Bytes(ref _ciphertext)[_partial..];
        for (int i = 0; i < source.Length; i++)
        {
            byte input = source[i], output = (byte)(input ^ stream[i]);
            ciphertext[i] = encrypts ? output : input;
            destination[i] = output;
        }

        _partial += source.Length;
        if (_partial == BlockBytes)
            HashPartial();
    }

    private void HashPartial()
    {
        Hash(Bytes(ref _ciphertext));
        _partial = 0;
    }

    private void Hash(ReadOnlySpan<byte> blocks)
    {
        if (_portable is not null)
        {
            _portable.Hash(Bytes(ref _sum), blocks);
            return;
        }

        fixed (AesGcmKey* key = &_key)
        fixed (byte* data = blocks)
            _sum = AesGcmKernel.Hash(key, _sum, data, blocks.Length / BlockBytes);
    }

    private Vector128<byte> KeyStream(uint counter)
    {
        Vector128<byte> block = _counterBlock.AsUInt32().WithElement(3, BinaryPrimitives.ReverseEndianness(counter)).AsByte();
        if (_portable is not null)
        {
            _portable.EncryptBlock(Bytes(ref block), Bytes(ref block));
            return block;
        }

        fixed (AesGcmKey* key = &_key)
            return AesGcmKernel.EncryptBlock(key, block);
    }

    private static Span<byte> Bytes(ref Vector128<byte> block) => MemoryMarshal.AsBytes(new Span<Vector128<byte>>(ref block));
}
